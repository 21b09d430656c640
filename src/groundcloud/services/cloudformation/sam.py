"""The AWS::Serverless-2016-10-31 transform, by AWS's own translator (aws-sam-translator).

Imported when the first serverless template comes (0.3 s), and run in a thread: translating takes some 10 ms. Its package carries
the map of AWS's managed policies, so nothing here asks a network.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Any

from groundcloud.services.cloudformation import errors

TRANSFORM = "AWS::Serverless-2016-10-31"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Session:
    """All that the translator asks of a boto3 session."""

    region_name: str


def expand(document: dict[str, Any], parameters: dict[str, Any], region: str) -> dict[str, Any]:
    """The CloudFormation document of a serverless one. `parameters` are the values of its parameters, pseudo ones included.

    Raises ValidationError "Transform AWS::Serverless-2016-10-31 failed with: ..." in the translator's own sentences.
    """
    from samtranslator.model.exceptions import ExceptionWithMessage, InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

    for logical_id, resource in document.get("Resources", {}).items():
        if isinstance(resource, dict) and resource.get("Type") == "AWS::Serverless::Application":
            location = resource.get("Properties", {}).get("Location") if isinstance(resource.get("Properties"), dict) else None
            if not isinstance(location, str):  # an application of the public repository, which the translator would ask a network for
                raise errors.not_implemented(
                    f"Resource {logical_id}: AWS::Serverless::Application from the Serverless Application Repository"
                )
    logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)  # it warns of metrics that nobody collects
    source = copy.deepcopy(document)
    values = dict(parameters)
    try:
        to_py27_compatible_template(source, values)  # the order that the service's deployment hashes are made in
        translator = Translator({}, Parser(), boto_session=_Session(region))  # type: ignore[arg-type]
        translated = translator.translate(source, values, passthrough_metadata=True)
        return _plain(undo_mark_unicode_str_in_template(translated))  # type: ignore[no-any-return]
    except InvalidDocumentException as error:
        causes = " ".join(sorted(cause.message for cause in error.causes))
        raise errors.transform_failed(TRANSFORM, f"{error.message} {causes}") from None
    except ExceptionWithMessage as error:
        raise errors.transform_failed(TRANSFORM, error.message) from None
    except Exception as error:  # the translator meets shapes that it did not expect with errors of every class
        _log.warning("the serverless translator failed", exc_info=True)
        raise errors.validation(f"Transform {TRANSFORM} failed without an error message. {type(error).__name__}: {error}") from None


def _plain(value: Any) -> Any:
    """Dicts, lists and scalars only: the translator leaves subclasses of them behind."""
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, str):
        return str(value)
    return value
