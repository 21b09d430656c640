"""AWS CloudFormation: stacks from templates, change sets, nested stacks, custom resources, AWS::Serverless and AWS::LanguageExtensions.

How a stack is made: `preparation` turns text into a checked template and parameters, `launch` writes what is to be done, `deployment`
drives it in the background (a durable timer, so it goes on after a crash), `provision` makes one resource at a time through the
types in the rooms' `resources.py`. `DescribeStacks` of one stack that is in progress answers when that ends, or after LINGER_S, so
that waiters which would sleep for half a minute find what they wait for at once.

Missing: stack sets, drift, stack refactors, generated templates, the extension registry, imports of resources, macros of one's own,
hooks, rollback triggers, Snapshot policies, UpdatePolicy (and so traffic shifting by CodeDeploy, SAM's DeploymentPreference), custom
resources through SNS; parameters of AWS::EC2 types are not looked up. Each is refused by name, except the last. NoEcho values are
masked in answers, but rest as the store keeps them.
"""

from __future__ import annotations

from groundcloud.kernel.service import Service

SERVICE = Service("cloudformation", package=__name__)
