"""Amazon EventBridge: buses, rules on events and on schedules, targets, archives and replays, connections and API destinations.

An event is matched when it is put, against the compiled patterns of its bus, in the transaction that takes it; each target that it meets becomes a delivery of the room's own
(`deliveries`), durable and retried by EventBridge's rules, with its dead letter. Services of AWS put their events through deliveries to a bus's ARN;
where the default bus has neither rules nor archives none is written.

Differs: an event's targets are those that its rules have when it arrives; a connection is authorized when it is made, its token when it is first needed; a replay goes through
its events as fast as it can; a dead letter holds the input that could not be delivered; TraceHeader reaches targets over HTTP alone. Kept and shown without effect: a bus's
DeadLetterConfig (AWS uses it where a customer's KMS key fails), a rule's RoleArn. Schema registries, Pipes and the Scheduler are services of their own.
Missing, and refused by name: partner event sources, global endpoints, customer managed KMS keys of buses, archives and connections, logs of buses, private
connections, and targets of services that take no deliveries here.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.events import buses, routing

SERVICE = Service("events", package=__name__, resource_policy=buses.policy_of_resource, interested=routing.interested)
