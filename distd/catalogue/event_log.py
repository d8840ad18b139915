"""The event log: what happened, in the order of the commits. Sequence numbers only grow."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an event says; comments name the fields of its `detail`."""

    PACKAGE_PUBLISHED = "PACKAGE_PUBLISHED"
    PACKAGE_ACTIVATED = "PACKAGE_ACTIVATED"
    PACKAGE_DEACTIVATED = "PACKAGE_DEACTIVATED"
    PACKAGE_EDITED = "PACKAGE_EDITED"  # detail.version
    PACKAGE_SIGNED = "PACKAGE_SIGNED"  # by another signer; detail.version
    PACKAGE_RENAMED = "PACKAGE_RENAMED"  # detail.name
    PACKAGE_SUPERSEDED = "PACKAGE_SUPERSEDED"  # detail.by
    PACKAGE_WITHDRAWN = "PACKAGE_WITHDRAWN"
    PACKAGE_DELETED = "PACKAGE_DELETED"
    MIRROR_ADDED = "MIRROR_ADDED"  # detail.mirror, as in all of these
    MIRROR_JOINED = "MIRROR_JOINED"
    MIRROR_REVOKED = "MIRROR_REVOKED"
    MIRROR_RULES = "MIRROR_RULES"  # detail.rules
    MIRROR_CONNECTED = "MIRROR_CONNECTED"
    MIRROR_LOST = "MIRROR_LOST"
    MIRROR_READY = "MIRROR_READY"  # detail.version
    MIRROR_GONE = "MIRROR_GONE"  # it no longer has a package
    MIRROR_HEALED = "MIRROR_HEALED"  # detail.name: a bad file on its disk was replaced
    MIRROR_BAD = "MIRROR_BAD"  # detail.name: a bad file that could not be replaced
    ACTIVATION_PLANNED = "ACTIVATION_PLANNED"
    ACTIVATION_CANCELLED = "ACTIVATION_CANCELLED"
    OPERATOR_ADDED = "OPERATOR_ADDED"  # detail.operator
    OPERATOR_DELETED = "OPERATOR_DELETED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"
    LOGGED_IN = "LOGGED_IN"  # detail.address; an operator's from an address once an hour
    LOG_IN_FAILED = "LOG_IN_FAILED"  # detail.address, .names, .count, .unchecked: of an address in a minute
    KEYS_ROTATED = "KEYS_ROTATED"  # detail.keys: which
    CERTIFICATES_REVOKED = "CERTIFICATES_REVOKED"  # detail.serials, .epoch of the trust file (0: not signed yet)
    AGENT_LOGIN_SET = "AGENT_LOGIN_SET"  # detail.login: agents may log in by it; it is new, or has another password
    AGENT_LOGIN_DELETED = "AGENT_LOGIN_DELETED"  # detail.login
    COMPUTER_ENROLLED = "COMPUTER_ENROLLED"  # distd's own agent has a key; detail.login: by which it came in
    COMPUTER_SEEN = "COMPUTER_SEEN"  # for the first time
    COMPUTER_DELETED = "COMPUTER_DELETED"  # detail.device_id
    COMPUTER_ADMITTED = "COMPUTER_ADMITTED"  # out of the waiting room
    COMPUTER_MERGED = "COMPUTER_MERGED"  # with another, which is deleted: detail.device_id
    CONTACT_REFUSED = "CONTACT_REFUSED"  # detail.why, .address; .device_id, where it is of no computer
    COMPUTER_CHANGED = "COMPUTER_CHANGED"  # detail.fact (address, agent, serial, mac), .before, .after, .flagged
    COMPUTER_SET = "COMPUTER_SET"  # an operator's settings of a computer: the values in detail
    TOKENS_REVOKED = "TOKENS_REVOKED"  # of a computer
    FILTER_SAVED = "FILTER_SAVED"  # detail.name, .text, .shared
    FILTER_DELETED = "FILTER_DELETED"  # detail.name, .text, .shared
    INVENTORY = "INVENTORY"
