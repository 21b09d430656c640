"""Amazon CloudWatch: metrics put and read, metric math, metric and composite alarms, dashboards.

Values rest in buckets of a minute (and of a second where the resolution asks for it), each with its count, sum, bounds and a map of values to counts, exact while it is
small and within one per cent when it is not. Old minutes are merged into five minutes and hours, as AWS keeps them. Alarms are evaluated by durable timers at the ends
of their periods.

Missing, and refused by name: anomaly detectors and bands, SEARCH and Metrics Insights queries, PromQL and log alarms, action suppressors and mute rules, Contributor
Insights, metric streams, widget images, alarm actions other than functions and topics.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.cloudwatch import errors

SERVICE = Service("cloudwatch", package=__name__, explain=errors.explain, access_denied="AccessDenied")
