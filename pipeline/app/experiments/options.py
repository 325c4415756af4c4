"""The options of `hintlite study` and `hintlite tune`."""

from __future__ import annotations

from jsonargparse.typing import PositiveInt

from hintlite.pipeline.app.cli.parser import Parser, make_parser
from hintlite.pipeline.app.experiments.studies.keep import KEEP, Keep


def study_parser() -> Parser:
    """Of `hintlite study`."""
    parser = make_parser(
        "methods with their settings over several seeds, compared with error bars",
        "hintlite study configs/study_digits.yaml --jobs 2\n"
        "  hintlite study study.yaml --report\n"
        "  hintlite study study.yaml --folder /shared/study --ray head:6379",
        "study STUDY [--folder FOLDER] [--jobs N] [--ray ADDRESS] [--report] ...",
    )
    parser.add_argument("study", metavar="STUDY", type=str, help="the study's YAML file")
    parser.word(
        "--folder", "FOLDER", "where it works and reports; by default runs/<name of the file>"
    )
    parser.word(
        "--results",
        "FOLDER",
        "where each finished run leaves its JSON, which studies can share; by default FOLDER/runs",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=PositiveInt | None,
        help="runs at a time, by default 1; on a cluster as many as it has cores",
    )
    parser.word(
        "--ray", "ADDRESS", "run on a Ray cluster that shares the folder: HOST:PORT, auto or local"
    )
    parser.add_argument(
        "--keep",
        type=Keep,
        default=KEEP[0],
        help="what stays of a finished run: the student (.keras, INT8) and its history, the whole "
        "run folder, or the JSON alone",
    )
    parser.switch("--report", "only report, from the runs that are there")
    return parser


def tune_parser() -> Parser:
    """Of `hintlite tune`."""
    parser = make_parser(
        "search settings for one method, on validation data alone",
        "hintlite tune configs/tune_digits.yaml --jobs 2\n"
        "  hintlite tune tune.yaml --report\n"
        "  hintlite run runs/best --config runs/tune/best.yaml",
        "tune TUNE [--folder FOLDER] [--jobs N] [--report]",
    )
    parser.add_argument("tune", metavar="TUNE", type=str, help="the tuning's YAML file")
    parser.word(
        "--folder", "FOLDER", "where it works and reports; by default runs/<name of the file>"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=PositiveInt, default=1, help="trials at a time, by default 1"
    )
    parser.switch("--report", "only report, from the trials that are there")
    return parser
