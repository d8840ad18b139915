"""Small changes to a module's source, each a mistake that a test should notice. Pure: from text to code.

Changed are comparisons, `and` / `or` / `not`, conditions, arithmetic, numbers, `True` / `False`, members of
enumerations; and statements that are only there for what they do are removed. Not changed: annotations, decorators,
asserts, what is logged, the text of errors, and the values of named constants of a module
(`MAX_WAITING: Final = 20_000` is a decision; a test that knows it by its name is right).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType

COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
LOGS: Final = {"log", "_log", "logger", "logging", "_LOG", "LOG"}
LEFT_ALONE: Final = {"annotation", "returns", "decorator_list", "bases", "keywords_of_class"}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a tree: in `owner.field`, or at `index` of it, stands `new` in the place of `old`.

    `function`: the outermost function that the change is in, by its qualified name and first line (of its decorators),
    as its code object has them; None for what is executed when the module is imported.
    """

    old: ast.AST
    new: ast.AST
    owner: ast.AST
    field: str
    index: int | None
    function: tuple[str, int] | None

    @property
    def lines(self) -> range:
        """The lines of what is changed."""
        first = getattr(self.old, "lineno", 0)
        return range(first, (getattr(self.old, "end_lineno", None) or first) + 1)

    @property
    def text(self) -> str:
        """`before → after`, without line breaks."""
        return f"{_text(self.old)} → {_text(self.new)}"

    def apply(self) -> None:
        """Put it into the tree."""
        if self.index is None:
            setattr(self.owner, self.field, self.new)
        else:
            getattr(self.owner, self.field)[self.index] = self.new


def enumerations(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """The members of each class that is an Enum, of all these modules' sources."""
    found: dict[str, list[str]] = {}
    for source in sources.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                found[node.name] = [
                    target.id
                    for item in node.body
                    if isinstance(item, ast.Assign)
                    for target in item.targets
                    if isinstance(target, ast.Name)
                ]
    return found


def changes(tree: ast.Module, members: Mapping[str, list[str]]) -> list[Change]:
    """All changes of a module, in the order of the text. `members`: of enumerations."""
    return list(_Finder(members).block(tree, "body", None, ""))


def compiled(source: str, path: str, index: int, members: Mapping[str, list[str]]) -> CodeType:
    """The code of a module with its change number `index`, as `changes` counts them. Raises `SyntaxError`."""
    tree = ast.parse(source)
    changes(tree, members)[index].apply()
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


@dataclass(frozen=True, slots=True)
class _Finder:
    members: Mapping[str, list[str]]

    def block(self, owner: ast.AST, field: str, function: tuple[str, int] | None, scope: str) -> Iterator[Change]:
        """Changes of the statements of a block."""
        for index, statement in enumerate(getattr(owner, field)):
            if _is_left_alone(statement, scope):
                continue
            for new in _instead(statement):
                yield Change(statement, ast.copy_location(new, statement), owner, field, index, function)
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self.node(statement.args, function, scope)
                first = min([statement.lineno, *(decorator.lineno for decorator in statement.decorator_list)])
                name = scope + statement.name
                yield from self.block(statement, "body", function or (name, first), f"{name}.<locals>.")
            elif isinstance(statement, ast.ClassDef):
                yield from self.block(statement, "body", function, f"{scope}{statement.name}.")
            else:
                yield from self.node(statement, function, scope)

    def node(self, owner: ast.AST, function: tuple[str, int] | None, scope: str) -> Iterator[Change]:
        """Changes of what an expression or a statement is made of."""
        for field, value in ast.iter_fields(owner):
            if field in LEFT_ALONE or isinstance(owner, ast.JoinedStr):
                continue
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield from self.block(owner, field, function, scope)
                continue
            for index, child in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(child, ast.AST):
                    for new in self.replacements(child, owner, field):
                        place = index if isinstance(value, list) else None
                        yield Change(child, ast.copy_location(new, child), owner, field, place, function)
                    yield from self.node(child, function, scope)

    def replacements(self, node: ast.AST, owner: ast.AST, field: str) -> Iterator[ast.AST]:
        """What an expression is replaced by."""
        if field == "test" and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
            yield ast.UnaryOp(ast.Not(), node)  # type: ignore[arg-type]  # the field `test` is an expression
        match node:
            case ast.Compare(left, [operator], [right]):
                for other in COMPARISONS[type(operator)]:
                    yield ast.Compare(left, [other()], [right])
            case ast.Compare(left, operators, rights):
                for index, operator in enumerate(operators):
                    others = [*operators[:index], COMPARISONS[type(operator)][0](), *operators[index + 1 :]]
                    yield ast.Compare(left, others, rights)
            case ast.BoolOp(operator, values):
                yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            case ast.UnaryOp(ast.Not(), operand):
                yield operand
            case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
                yield operand
            case ast.BinOp(left, operator, right) if type(operator) in OPERATORS and not (_is_text(left, right)):
                yield ast.BinOp(left, OPERATORS[type(operator)](), right)
            case ast.Constant(bool() as value):
                yield ast.Constant(not value)
            case ast.Constant(int() | float() as value) if not isinstance(owner, ast.UnaryOp):
                yield ast.Constant(value + 1)
            case ast.Attribute(ast.Name(name), member) if member in self.members.get(name, ()):
                names = self.members[name]
                if len(names) > 1:
                    other_member = names[(names.index(member) + 1) % len(names)]
                    yield ast.Attribute(ast.Name(name, ast.Load()), other_member, ast.Load())


def _instead(statement: ast.stmt) -> Iterator[ast.stmt]:
    """What a whole statement is replaced by."""
    match statement:
        case ast.Expr(ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets) if all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
            yield ast.Pass()
        case ast.AugAssign(target, operator, value):
            yield ast.Pass()
            if type(operator) in OPERATORS and not _is_text(value):
                yield ast.AugAssign(target, OPERATORS[type(operator)](), value)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.Return(None):
            yield ast.Pass()


def _is_left_alone(statement: ast.stmt, scope: str) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Expr(ast.Constant()):
            return True
        case ast.If(ast.Name("TYPE_CHECKING")):
            return True
        case ast.Assign() | ast.AnnAssign() if not scope:
            return True  # a named constant
        case ast.Expr(ast.Call(ast.Attribute(_, name) | ast.Name(name))) if name in LOGS:
            return True
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name) | ast.Attribute(_, name)))):
            return name in LOGS
        case ast.ClassDef(_, bases):
            return any("Protocol" in ast.unparse(base) for base in bases)
    return False


def _is_text(*operands: ast.expr) -> bool:
    return any(
        isinstance(operand, ast.JoinedStr)
        or (isinstance(operand, ast.Constant) and isinstance(operand.value, str | bytes))
        for operand in operands
    )


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}…"
