"""The contact policy: rights by role, tenants' own, and errors with file and line."""

from datetime import timedelta
from textwrap import dedent

import pytest

from schemas.errors import UserError
from streams import policy

GOOD = """\
version: 1
default:
  roles:
    admin: [devices:manage, devices:read]
    viewer: [devices:read]
tenants:
  acme:
    roles:
      viewer: []
"""


@pytest.fixture
def written(tmp_path):
    """Writes a policy file and returns its path."""

    def write(text: str):
        path = tmp_path / "policy.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


class TestRights:
    def test_role_gives_its_rights(self, written):
        """By default, for every tenant."""
        loaded = policy.load(written(GOOD))
        assert loaded.rights("other", "admin") == {"devices:manage", "devices:read"}
        assert loaded.knows("other", "admin")

    def test_tenant_replaces_a_role_it_names(self, written):
        """Also with no rights at all; the role is known nevertheless."""
        loaded = policy.load(written(GOOD))
        assert loaded.rights("acme", "viewer") == frozenset()
        assert loaded.knows("acme", "viewer")

    def test_tenant_keeps_the_default_of_other_roles(self, written):
        """An override is by role."""
        loaded = policy.load(written(GOOD))
        assert loaded.rights("acme", "admin") == {"devices:manage", "devices:read"}

    def test_unknown_role_gives_no_rights(self, written):
        """Fail closed."""
        loaded = policy.load(written(GOOD))
        assert loaded.rights("acme", "emperor") == frozenset()
        assert not loaded.knows("acme", "emperor")

    def test_shipped_policy_loads(self):
        """The default is valid, and an owner has every right there is."""
        shipped = policy.load()
        everything = frozenset().union(*shipped.default.roles.values())
        assert shipped.rights("acme", "owner") == everything


RULES = """\
version: 1
default:
  grace_days: 14
  roles: {admin: [a], viewer: [b]}
  changes:
    - {from: admin, to: "*", then: end-sessions}
    - {from: "*", to: external, then: revoke-all}
tenants:
  acme:
    changes:
      - {from: admin, to: viewer, then: none}
  borealis:
    grace_days: 0.5
"""


class TestConsequences:
    @pytest.mark.parametrize(
        ("tenant", "before", "after", "pointer"),
        [
            ("other", ["admin"], "viewer", "/default/changes/0"),
            ("other", ["admin"], "external", "/default/changes/0"),
            ("other", ["viewer"], "external", "/default/changes/1"),
            ("other", ["viewer"], "admin", None),
            ("acme", ["admin"], "viewer", "/tenants/acme/changes/0"),
            ("acme", ["admin"], "owner", "/default/changes/0"),
        ],
    )
    def test_first_that_fits_counts(self, written, tenant, before, after, pointer):
        """From the top, a tenant's own before the default's."""
        found = policy.load(written(RULES)).consequence(tenant, before, after)
        assert (found and found.pointer) == pointer

    def test_of_two_roles_before_the_strictest_counts(self, written):
        """The sender says one, we hold another."""
        found = policy.load(written(RULES)).consequence("other", ["admin", "viewer"], "external")
        assert found.rule.then is policy.Then.REVOKE_ALL

    def test_unknown_role_before_may_be_any(self, written):
        """Fail closed: the strictest of all that it may be."""
        loaded = policy.load(written(RULES))
        assert loaded.consequence("other", [None], "external").rule.then is policy.Then.REVOKE_ALL
        assert loaded.consequence("other", [None], "viewer").rule.then is policy.Then.END_SESSIONS

    def test_says_itself_for_people(self, written):
        """Where it stands and what it says."""
        found = policy.load(written(RULES)).consequence("other", ["viewer"], "external")
        assert str(found) == "/default/changes/1: from * to external then revoke-all"

    def test_shipped_policy_has_none(self):
        """Rights alone decide until somebody says otherwise."""
        assert policy.load().consequence("acme", ["admin"], "viewer") is None


class TestGrace:
    @pytest.mark.parametrize(("tenant", "days"), [("other", 14), ("acme", 14), ("borealis", 0.5)])
    def test_tenants_own_or_the_default(self, written, tenant, days):
        """In days, also parts of one."""
        assert policy.load(written(RULES)).grace(tenant) == timedelta(days=days)

    def test_is_thirty_days_where_nothing_is_said(self, written):
        """As in the shipped policy."""
        assert policy.load(written(GOOD)).grace("acme") == policy.load().grace("acme") == timedelta(days=30)


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            (
                "version: 1\ndefault:\n  roles:\n    a: [x]\n    b: 7\n",
                5,
                "/default/roles/b: expected an array",
            ),
            (
                "version: 1\ndefault:\n  roles:\n    a:\n      - x\n      - Y Z\n",
                6,
                "/default/roles/a/1: expected a right",
            ),
            ("version: 2\ndefault:\n  roles: {}\n", 1, "/version: expected 1"),
            ("default:\n  roles: {}\n", 1, "/version: is required"),
            ("version: 1\ndefault:\n  rolls: {}\n", 3, "/default/rolls: is not a known member"),
            (
                "version: 1\ndefault:\n  roles: {}\ntenants:\n  a b: {roles: {}}\n",
                5,
                "/tenants/a b: expected an opaque id",
            ),
            (
                "version: 1\ndefault:\n  roles:\n    yes: [x]\n",
                3,
                "/default/roles/True: expected an opaque id",
            ),
            (
                "version: 1\ndefault:\n  roles:\n    a: [x]\n    a: [y]\n",
                5,
                "/default/roles/a: stands here twice",
            ),
            (
                "version: 1\ndefault:\n  grace_days: -1\n  roles: {}\n",
                3,
                "/default/grace_days: expected a number of days",
            ),
            ("version: 1\ndefault:\n  roles: {}\n  grace_days: soon\n", 4, "/default/grace_days: expected"),
            ("version: 1\ndefault:\n  roles: {}\n  grace_days: .nan\n", 4, "/default/grace_days: expected"),
            (
                "version: 1\ndefault:\n  roles: {}\n  changes:\n    - {from: a, to: b}\n",
                5,
                "/default/changes/0/then: is required",
            ),
            (
                "version: 1\ndefault:\n  roles: {}\n  changes:\n    - from: a\n      to: b\n      then: shout\n",
                7,
                '/default/changes/0/then: expected one of "none", "end-sessions", "revoke-all"',
            ),
            (
                "version: 1\ndefault:\n  roles: {}\ntenants:\n  a:\n    changes:\n      - {from: a b, to: c, then: none}\n",
                7,
                "/tenants/a/changes/0/from: expected a role name, or *",
            ),
            ("version: 1\ndefault: {grace_days: 3}\n", 2, "/default/roles: is required"),
            ("version: 1\ndefault: {roles: &r {a: *r}}\n", 2, "aliases are not read here"),
            ("version: 1\ndefault: [\n", 3, "not valid YAML"),
            ("version: 1\n? [a]\n: 1\n", 2, "not valid YAML"),
            ("", 1, "/: expected an object"),
        ],
    )
    def test_says_file_and_line(self, written, text, line, what):
        """What is wrong, and where a user finds it."""
        path = written(text)
        with pytest.raises(UserError) as caught:
            policy.load(path)
        told = (str(caught.value), *caught.value.hints)
        assert any(each.startswith(f"{path}:{line}: ") and what in each for each in told), told

    def test_missing_file(self, tmp_path):
        """Named, with the system's reason."""
        with pytest.raises(UserError, match=r"no-such\.yaml: No such file"):
            policy.load(tmp_path / "no-such.yaml")

    def test_not_utf8(self, tmp_path):
        """Named, without its bytes."""
        path = tmp_path / "policy.yaml"
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(UserError, match="not UTF-8"):
            policy.load(path)
