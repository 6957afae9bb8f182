"""The contact policy: rights by role, tenants' own, and errors with file and line."""

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
