"""How one AWS resource type is described, so that a further type is a few lines of table and no code.

The generic engine (`lifecycle`, `convert`, `diff`) does check, preview, create, read, update, replace, delete and
import from a `Type`. It takes names, nesting, required inputs and computed outputs from the SDK's own schema
(`schema.json`) and the request members from botocore's shapes, so a description holds only what neither of them
knows.

**Names convert by themselves.** A property `vpcId` becomes the request member `VpcId`, nested objects and lists too,
and back again for outputs. Matching ignores case and a plural `s`; text becomes number or boolean where the shape
wants it. `rename` says where AWS uses another word, for both directions: `{"ami": "ImageId"}`, `{"availabilityZone":
"Placement.AvailabilityZone"}` (dotted: nested member, top-level properties only) or, for a nested property,
`{"networkInterfaces.securityGroups": "Groups"}`.

**Expressions.** Everything computed is a `Source`: a JMESPath expression over one document, or a function of the `View`
for the rare rest. The document has

    id         the resource id ("" before the create)
    inputs     the inputs, checked and with defaults         old     the inputs of the last deployment ({} at create)
    outputs    the last known state ({} before the create)   it      the object as AWS describes it (see `Type.read`)
    response   the response of the creating call              more    results of `Type.more`, by name
    item       one element of a child list (`Items`)         region, account, partition, dns_suffix
    tags       tags to set, in the strategy's form           tag_keys   tags to remove

so `{"VpcIds": "[id]"}`, `"it.Attachments[0].State"`, `{"Attribute": "'enableDnsSupport'"}` (a literal),
`` {"Force": "`true`"} ``. A member whose expression yields null is left out. `send` keys may be dotted
("EnableDnsSupport.Value").

**Life.** Create: `create` (with `Tags`), then `ready`, then each `Setting` and `Items` whose input is given, then
read. Update: the first `Setting` per changed property, `Items` by set difference, tags, then `update` (a put-like
call with all inputs) if a changed property is in nobody's setting. Delete: `before_delete` calls, `delete`, wait
until `read` finds nothing or a state in `gone`. A property changed that is in `replaces` makes the engine replace the
resource. An input in `unsupported` is refused with a clear error; a contract test shows that each other SDK input is
used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = [
    "Call",
    "Items",
    "Setting",
    "Source",
    "Tags",
    "Type",
    "View",
    "Wait",
    "arn",
    "ec2_tags",
    "names",
]


class View(Protocol):
    """What a function used as a `Source` sees: the document's fields, and calls to the same fake AWS."""

    id: str
    inputs: Mapping[str, Any]
    old: Mapping[str, Any]
    outputs: Mapping[str, Any]
    it: Any
    item: Any
    response: Mapping[str, Any]
    more: Mapping[str, Any]
    region: str

    @property
    def account(self) -> str:
        """The account id (one sts call a process)."""

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, …"""

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """A plain boto3 call; an AWS error raises botocore's ClientError."""


Source = str | Callable[[View], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One boto3 call.

    `send` gives request members (dotted where nested). With `auto` every input that the operation knows is sent too
    (those in `omit`, in a `Setting` or in `Items` excepted); in an `Items` call the item's own members are sent
    instead. `result` picks from the response (a function gets the View with `response` being this call's). `ignore`
    lists error codes that mean "already so". `when` skips the call where its value is null, false or empty. `each`
    makes one call an element, as `item`. `into` is the member under which `auto` puts the inputs. `service` is the
    type's own unless given.
    """

    operation: str
    send: Mapping[str, Source] = field(default_factory=dict)
    auto: bool = False
    omit: Sequence[str] = ()
    result: Source | None = None
    ignore: Sequence[str] = ()
    when: Source | None = None
    service: str | None = None
    each: Source | None = None
    into: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """Properties changed by calls of their own.

    At create the calls run after the creating call if one of `properties` is given and differs from `initial` (what AWS
    sets by itself); `at_create=False` for what the creating call sets already (the property is then sent by `auto`).
    `unset` runs instead of `calls` at update when all of `properties` have left the inputs.
    """

    properties: Sequence[str]
    calls: Sequence[Call]
    initial: Mapping[str, Any] = field(default_factory=dict)
    at_create: bool = True
    unset: Sequence[Call] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """A list property whose elements are added and removed by calls of their own (inline rules, routes, attachments).

    `auto` of these calls takes members from `item`. A changed element is removed and added again; with `change` and
    `key`, elements with an equal `key` field are changed instead. `flatten` turns the list into the elements the
    calls take, where AWS has finer ones (a rule with three CIDRs is three rules); lists with equal flat elements do
    not differ. `start` runs once after the create, to take away what AWS puts there by itself (a new group's egress
    rule). `at_create=False`: the creating call takes the list itself.
    """

    property: str
    add: Call
    remove: Call
    change: Call | None = None
    key: str | None = None
    flatten: Callable[[Sequence[Any]], list[Any]] | None = None
    start: Sequence[Call] = ()
    at_create: bool = True


@dataclass(frozen=True, slots=True)
class Tags:
    """How a type is tagged.

    `member`: where the creating call takes tags (None: not at create; then `add` runs after it). `form`: "list"
    ([{Key, Value}] with the names in `keys`) or "map". `resource_type`: wrap as EC2 TagSpecifications. `found`: the
    tags in the read document. `add`/`remove` use `tags` and `tag_keys`. `replace`: `add` takes the whole set (S3),
    there is no `remove`.
    """

    add: Call
    remove: Call | None = None
    member: str | None = "Tags"
    form: str = "list"
    keys: tuple[str, str] = ("Key", "Value")
    resource_type: str | None = None
    found: Source = "it.Tags"
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Poll `read` until the expression `state` is in `done`; a value in `failed` is an error."""

    state: str
    done: Sequence[str]
    failed: Sequence[str] = ()
    timeout_seconds: float = 120


@dataclass(frozen=True, slots=True)
class Type:
    """One resource type; see the module docstring for expressions and the order of calls.

    token            'aws:ec2/vpc:Vpc', as in the SDK
    service          boto3's service name
    create           the creating call
    id               the id, from `response` (create) e.g. "response.Vpc.VpcId"; may use inputs ("inputs.name")
    read             describes the resource; its `result` is `it` (null, or a `not_found` code: does not exist)
    delete           calls in order; None: nothing to delete in AWS
    more             further reads, by name, into `more`; what is not found or not modelled yields null
    also             further objects in which name conversion looks for outputs, after `it`
    outputs          properties that name conversion cannot find: output name -> Source
    rename           property path -> AWS member (both directions)
    replaces         inputs that AWS cannot change; "*" = all but those in a Setting/Items and tags
    replaces_when    inputs that replace where another input is true: {"userData": "userDataReplaceOnChange"}
    settings, items, tags, update    how the rest is changed
    before_delete    e.g. detach calls; `it` is read anew before them and `delete`
    ready, gone      waiting after create/update and after delete; an object in a `gone` state does not exist
    not_found        error codes (codes that end in .NotFound, NotFoundException, NoSuchEntity are known)
    retry_delete     error codes on which a delete is tried again for a bounded time (DependencyViolation is known)
    retry_create     error codes on which a create or update is tried again for a bounded time (eventual consistency)
    defaults         inputs that the real plugin's Check fills in: name -> plain value
    autoname         the property that gets "<logical name>-<7 hex>" where it is absent; `autoname_length` bounds it
    unique           if all of these inputs are equal in old and new, a replacement must delete first
    delete_first     a replacement must always delete first
    unsupported      SDK inputs that this plugin refuses
    ignored          SDK inputs with no meaning for AWS, kept in state only (forceDestroy, …)
    secret           outputs that the engine must encrypt
    ordered          list property paths whose order matters (other lists are compared as sets)
    same             property path -> function(value) whose results are compared instead (JSON policies, …)
    volatile         outputs that `update` changes (a version number): unknown in the preview of one
    recover          the import form of the id, known before the create; where `id` is not in the response
                     and `import_id` must parse it ("join('_', [inputs.routeTableId, inputs.destinationCidrBlock])")
    clears           outputs for which "absent in AWS" means "not set" (otherwise the last known value is kept)
    import_id        from an import id to (real id, first known outputs); default: the id itself, {}
    import_skip      inputs that an import does not take over from the outputs
    """

    token: str
    service: str
    create: Call
    id: Source
    read: Call
    delete: Sequence[Call]
    more: Mapping[str, Call] = field(default_factory=dict)
    also: Sequence[Source] = ()
    outputs: Mapping[str, Source] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    replaces: Sequence[str] = ()
    replaces_when: Mapping[str, str] = field(default_factory=dict)
    settings: Sequence[Setting] = ()
    items: Sequence[Items] = ()
    tags: Tags | None = None
    update: Call | Sequence[Call] | None = None
    before_delete: Sequence[Call] = ()
    ready: Wait | None = None
    gone: Wait | None = None
    not_found: Sequence[str] = ()
    retry_delete: Sequence[str] = ()
    retry_create: Sequence[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    autoname: str | None = None
    autoname_length: int = 255
    unique: Sequence[str] = ()
    delete_first: bool = False
    unsupported: Sequence[str] = ()
    ignored: Sequence[str] = ()
    secret: Sequence[str] = ()
    ordered: Sequence[str] = ()
    same: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    volatile: Sequence[str] = ()
    recover: Source | None = None
    clears: Sequence[str] = ()
    import_id: Callable[[str, View], tuple[str, dict[str, Any]]] | None = None
    import_skip: Sequence[str] = ()


def names(text: str) -> tuple[str, ...]:
    """Property names in one text, for the long lists of `replaces` and `unsupported`."""
    return tuple(text.split())


def arn(service: str, resource: str, *, region: bool = True, account: bool = True) -> Source:
    """A Source that builds an ARN; `resource` is formatted with `id`: `arn("ec2", "vpc/{id}")`."""

    def build(view: View) -> str:
        place = view.region if region else ""
        owner = view.account if account else ""
        return f"arn:{view.partition}:{service}:{place}:{owner}:{resource.format(id=view.id)}"

    return build


def ec2_tags(resource_type: str) -> Tags:
    """EC2's way: TagSpecifications at create, create_tags and delete_tags later."""
    return Tags(
        member="TagSpecifications",
        resource_type=resource_type,
        add=Call("create_tags", {"Resources": "[id]", "Tags": "tags"}, service="ec2"),
        remove=Call("delete_tags", {"Resources": "[id]", "Tags": "tag_keys[].{Key: @}"}, service="ec2"),
    )
