"""What no product code uses is not there: code that only tests call proves nothing about the product."""

import ast

from tests.sources import ROOT, modules

# Names without a caller, each with the reason; a name goes from here when it has one.
WITHOUT_CALLER = {
    "press3/schema.py:MODELS",  # names the tables: that registers them, a test counts them
}


def _defined(tree: ast.Module) -> set[str]:
    """Return the public names of a module. A decorated function is used by its decorator."""
    names = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=[]):
                names.add(name)
            case ast.AsyncFunctionDef(name=name, decorator_list=[]) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {each.id for each in targets if isinstance(each, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def _used(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names that a module uses of its own, and those that it may use of others."""
    own, others = set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                own.add(name)
            case ast.Constant(value=str(text)) if text.isidentifier():
                own.add(text)  # an annotation in quotes
            case ast.Attribute(attr=name):
                others.add(name)
            case ast.ImportFrom(names=names):
                others |= {alias.name for alias in names}
    return own, others


def _without_all(tree: ast.Module) -> ast.Module:
    """Return the module without `__all__`, which uses nothing."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    return tree


def test_every_public_name_is_used_by_the_product() -> None:
    trees = {path: _without_all(ast.parse(path.read_text())) for path in modules()}
    used = {path: _used(tree) for path, tree in trees.items()}
    others = set[str]().union(*(names for _, names in used.values()))
    unused = {
        f"{path.relative_to(ROOT)}:{name}"
        for path, tree in trees.items()
        for name in _defined(tree) - used[path][0] - others
    }
    assert unused == WITHOUT_CALLER
