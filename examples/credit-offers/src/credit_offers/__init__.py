"""Credit offers: the library under the functions. Amounts are whole minor units (cents), rates whole basis points.

Pure, values in and values out: `products`, `prequalification`, `applications`, `validation`.
At the edges: `web` (API events), `queue` (queue events), `storage` (table), `terms` (bucket), `scoring` (third party), `logs`.
"""
