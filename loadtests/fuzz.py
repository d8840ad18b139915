"""`make fuzz`: what reads bytes from outside, under atheris, which looks for inputs that reach new code.

Bounded in time: `--seconds` are shared by the targets (`loadtests/fuzz_targets.py`), each in a process of its own. It
begins with the corpus in the repository; inputs that reach new code are kept in a folder for the next run. A fault, a
crash or a hang ends a target with an error and writes the input to a file, which is named; the others go on. An input
that was found goes, when the fault is mended, to `loadtests/corpus`, where the tests read it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

HANG_S = 10


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz a target in this process, which ends then."""
    import atheris

    with atheris.instrument_imports(include=["distd", "h11"]):
        from loadtests.fuzz_targets import BY_NAME, MAX_INPUT_BYTES, words_of
    target = BY_NAME[name]
    corpus = folder / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for stem, data in target.corpus():
        (corpus / f"seed-{stem}").write_bytes(data)
    words = folder / name / "words"
    words.write_text("".join(_quoted(word) + "\n" for word in words_of(target)))
    options = [
        *(f"-max_total_time={seconds}", f"-timeout={HANG_S}", f"-max_len={MAX_INPUT_BYTES}", f"-dict={words}"),
        *(f"-artifact_prefix={folder / name}{os.sep}found-", "-print_final_stats=1"),
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.check)
    atheris.Fuzz()


def _quoted(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


@click.command()
@click.option("--seconds", default=120, show_default=True, help="For how long, all targets together.")
@click.option("--target", "names", multiple=True, help="Only this one; repeatable.")
@click.option("--one", default="", hidden=True)
@click.option("--folder", default=Path(".fuzz"), show_default=True, type=click.Path(path_type=Path))
def main(seconds: int, names: tuple[str, ...], one: str, folder: Path) -> None:
    """Fuzz all targets, one after the other."""
    if one:
        fuzz(one, seconds, folder)
        return
    from loadtests.fuzz_targets import BY_NAME

    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise click.UsageError(f"--target: expected one of {', '.join(BY_NAME)}, got {unknown[0]}")
    chosen = names or tuple(BY_NAME)
    each_s = max(seconds // len(chosen), 1)
    failed = []
    for name in chosen:
        click.echo(f"--- {name}: {BY_NAME[name].reads}, {each_s} s")
        words = ["--one", name, "--seconds", str(each_s), "--folder", str(folder)]
        if subprocess.run([sys.executable, "-m", "loadtests.fuzz", *words], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"faults were found in {', '.join(failed)}: see {folder}")


if __name__ == "__main__":
    main()
