"""What a pickle may import, and what that can do.

The list of the harmless is short and exact; the list of the dangerous is long and by module. Whatever is on neither is
suspicious: nobody has looked at what its constructor does.
"""

from __future__ import annotations

from typing import Final

from tholos.scanning.findings import Safety

_ALL: Final = frozenset({"*"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HARMLESS: Final[dict[str, frozenset[str]]] = {
    "builtins": _words("bool bytearray bytes complex dict float frozenset int list object range set slice str tuple"),
    "_codecs": frozenset({"encode"}),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "copyreg": frozenset({"_reconstructor", "__newobj__"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "numpy": _words("bool bool_ dtype float16 float32 float64 int16 int32 int64 int8 ndarray uint8"),
    "numpy.core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy._core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy._core.numeric": frozenset({"_frombuffer"}),
    "numpy.core.numeric": frozenset({"_frombuffer"}),
    "joblib.numpy_pickle": frozenset({"NumpyArrayWrapper"}),
    "torch": _words(
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage ComplexFloatStorage DoubleStorage "
        "FloatStorage HalfStorage IntStorage LongStorage QInt32Storage QInt8Storage QUInt2x4Storage QUInt4x2Storage "
        "QUInt8Storage ShortStorage Size bfloat16 bool device dtype float16 float32 float64 int16 int32 int64 int8 "
        "uint8"
    ),
    "torch._utils": frozenset({"_rebuild_parameter", "_rebuild_tensor", "_rebuild_tensor_v2"}),
    "torch.nn.parameter": frozenset({"Parameter"}),
    "torch.storage": frozenset({"TypedStorage", "UntypedStorage"}),
}

_DANGEROUS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(
        (
            # programs, code and modules
            *("os", "posix", "nt", "subprocess", "commands", "pty", "popen2", "runpy", "importlib", "imp", "zipimport"),
            *("code", "codeop", "bdb", "pdb", "timeit", "trace", "cProfile", "profile", "doctest", "pydoc", "venv"),
            *("pip", "ensurepip", "setuptools", "distutils", "idlelib", "lib2to3", "test", "site", "sys", "gc"),
            *("ctypes", "_ctypes", "cffi", "mmap", "signal", "multiprocessing", "threading", "_thread", "asyncio"),
            *("concurrent", "sched", "atexit", "inspect", "pkgutil", "_osx_support", "_aix_support", "_pyrepl"),
            # other loaders, which would get round this scan
            *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "pickletools"),
            # files and the network
            *("shutil", "tempfile", "glob", "fileinput", "pathlib._local", "io", "_io", "socket", "_socket", "ssl"),
            *("_ssl", "http", "httplib", "urllib", "urllib2", "urllib3", "requests", "aiohttp", "httpx", "ftplib"),
            *("smtplib", "imaplib", "poplib", "telnetlib", "xmlrpc", "webbrowser", "antigravity", "paramiko"),
            *("numpy.f2py", "numpy.testing", "numpy.distutils", "numpy.ctypeslib", "torch.hub", "torch.jit"),
            *("torch.serialization", "torch.utils.cpp_extension", "torch.utils.collect_env", "torch._inductor"),
            *("torch._dynamo", "torch.package", "torch.fx.experimental", "tensorflow.python.ops.script_ops"),
        ),
        _ALL,
    ),
    "builtins": _words(
        "__import__ apply breakpoint compile delattr dir eval exec execfile file getattr globals help input locals "
        "memoryview open setattr type vars"
    ),
    "operator": frozenset({"attrgetter", "itemgetter", "methodcaller", "call", "__call__"}),
    "functools": frozenset({"partial", "partialmethod", "reduce", "singledispatch"}),
    "itertools": frozenset({"starmap"}),
    "types": frozenset({"CodeType", "FunctionType", "LambdaType", "MethodType", "ModuleType"}),
    "logging": frozenset({"FileHandler", "config.fileConfig", "config.dictConfig"}),
    "logging.config": _ALL,
    "uuid": frozenset({"_get_command_stdout", "_popen"}),
    "platform": frozenset({"popen", "_syscmd_ver", "_popen"}),
    "numpy": frozenset({"load", "memmap", "fromfile", "loadtxt", "savetxt", "save"}),
    "pandas": frozenset({"read_pickle", "eval", "read_csv"}),
    "pandas.io.pickle": _ALL,
    "pandas.core.computation.eval": _ALL,
    "joblib": frozenset({"load", "dump"}),
    "joblib.numpy_pickle": frozenset({"load"}),
    "torch": frozenset({"load", "compile", "hub.load", "jit.load", "ops"}),
}
_FORMER_NAMES: Final = {
    "__builtin__": "builtins",
    "__builtins__": "builtins",
    "copy_reg": "copyreg",
    "_operator": "operator",
}


def safety_of(module: str, name: str) -> Safety:
    """What importing this from a pickle may lead to."""
    module = _FORMER_NAMES.get(module, module)
    if "." in name:  # protocol 4 follows dots: "sys" + "modules.os.system"
        if any(_listed(_DANGEROUS, f"{module}.{inner}", last) for inner, last in _splits(name)):
            return "dangerous"
        if name.startswith("_") or "__" in name:
            return "dangerous"
    if _listed(_DANGEROUS, module, name):
        return "dangerous"
    return "innocuous" if name in _HARMLESS.get(module, ()) else "suspicious"


def dangerous_modules() -> frozenset[str]:
    """Modules of which anything at all is dangerous."""
    return frozenset(module for module, names in _DANGEROUS.items() if names is _ALL)


def _splits(name: str) -> list[tuple[str, str]]:
    parts = name.split(".")[:8]
    return [(".".join(parts[:i]), parts[i]) for i in range(1, len(parts))]


def _listed(table: dict[str, frozenset[str]], module: str, name: str) -> bool:
    parts = module.split(".")[:16]
    for count in range(len(parts), 0, -1):
        names = table.get(".".join(parts[:count]))
        if names is not None and (names is _ALL or (count == len(parts) and name.split(".", maxsplit=1)[0] in names)):
            return True
    return False
