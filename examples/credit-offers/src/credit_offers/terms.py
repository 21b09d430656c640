"""The terms of a product: `terms/{product_id}.md` in the bucket, as a page that a person can read."""

import os
from html import escape
from typing import Any, Self

import boto3
from botocore.exceptions import ClientError
from markdown_it import MarkdownIt

from credit_offers.errors import Problem
from credit_offers.products import Product

_markdown = MarkdownIt("commonmark", {"html": False})
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ max-width: 40rem; margin: 3rem auto; padding: 0 1rem; font: 1.05rem/1.6 system-ui, sans-serif }}</style>
{body}</html>
"""


class Terms:
    def __init__(self, s3: Any, bucket_name: str):
        self._s3 = s3
        self._bucket_name = bucket_name

    @classmethod
    def from_environment(cls) -> Self:
        return cls(boto3.client("s3"), os.environ["TERMS_BUCKET"])

    def page(self, product: Product) -> str:
        """HTML; markup inside the terms is shown, not obeyed."""
        try:
            stored = self._s3.get_object(Bucket=self._bucket_name, Key=f"terms/{product.product_id}.md")
        except ClientError as error:
            # Without s3:ListBucket, which this function does not need, a missing object is AccessDenied.
            if error.response["Error"]["Code"] not in {"NoSuchKey", "AccessDenied"}:
                raise
            raise Problem(404, "terms_not_found", "The terms of this product are not published yet.") from error
        body = _markdown.render(stored["Body"].read().decode())
        return _PAGE.format(title=escape(f"Terms: {product.name}"), body=body)
