"""The options of the commands that look at what is there: report, inspect, predict, and others."""

from __future__ import annotations

from hintlite.pipeline.app.cli.parser import Parser, make_parser
from hintlite.pipeline.app.look.compare import percent


def report_parser() -> Parser:
    """Of `hintlite report`."""
    parser = make_parser(
        "one page of a run, finished or not, or of several compared with the first",
        "hintlite report runs/mine\n  hintlite report runs/a runs/b --out compared\n"
        "  hintlite report mine_converted\n"
        "  hintlite report runs/mine --measured phone.log --pictures docs/pictures",
        "report RUN... [--out FOLDER] [--measured FILE...] [--pictures FOLDER]",
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        type=str,
        nargs="+",
        help="run folders, or folders of `hintlite convert` and `qat`",
    )
    parser.word(
        "--out", "FOLDER", "where to write report.html and report.json; by default the first run"
    )
    parser.add_argument(
        "--measured",
        metavar="FILE",
        type=str,
        nargs="+",
        help="results and logs from other devices, shown too: JSON of bench_tflite.py or of a "
        "target, log of benchmark_model",
    )
    parser.word(
        "--pictures",
        "FOLDER",
        "also write accuracy against bytes, latency and MACs as SVG files of their own",
    )
    return parser


def inspect_parser() -> Parser:
    """Of `hintlite inspect`."""
    parser = make_parser(
        "what a .tflite file holds",
        "hintlite inspect model.tflite --json",
        "inspect MODEL [--json]",
    )
    parser.add_argument("model", metavar="MODEL", type=str, help="any .tflite file")
    parser.json("tables")
    return parser


def predict_parser() -> Parser:
    """Of `hintlite predict`."""
    parser = make_parser(
        "the deployed file's answer for pictures or arrays, or for folders of them",
        "hintlite predict runs/mine cat.png dog.jpg\n"
        "  hintlite predict runs/mine photos/ --json\n"
        "  hintlite predict runs/pump monday.csv\n"
        "  hintlite predict runs/mine/bundle/device/student_int8.tflite sample.npy\n"
        "  hintlite predict sensors_converted sample.npz --save answers",
        "predict MODEL IMAGE... [--save FOLDER] [--json]",
    )
    parser.add_argument(
        "model", metavar="MODEL", type=str, help="a run, a bundle, or a .tflite file in a bundle"
    )
    parser.add_argument(
        "images",
        metavar="IMAGE",
        type=str,
        nargs="+",
        help="picture, .npy array of raw values, .npz of one array an input by its name, a "
        "recording (.csv, .parquet) for a run on recordings, one answer a window, or a "
        "folder: all in it and in its folders; where those are named after classes, the share told "
        "right is shown",
    )
    parser.word(
        "--save",
        "FOLDER",
        "write the values of every output there, NAME.OUTPUT.npy for each sample",
    )
    parser.json("a table")
    return parser


def cache_parser() -> Parser:
    """Of `hintlite cache`."""
    parser = make_parser(
        "what the teachers' cached outputs take on the disk",
        "hintlite cache runs\n  hintlite cache runs --clear",
        "cache [FOLDER] [--clear] [--json]",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=str,
        nargs="?",
        default="runs",
        help="the folder of the runs that share it, by default runs; or the cache itself",
    )
    parser.switch("--clear", "remove it; later trainings compute it again")
    parser.json("a table")
    return parser


def compare_parser() -> Parser:
    """Of `hintlite compare`."""
    parser = make_parser(
        "what changed between two results; exit code 1 past a bound, 2 if they cannot be compared",
        "hintlite compare before.json after.json --max_slowdown 5% --max_drop 0.2\n"
        "  hintlite compare runs/a runs/b\n  hintlite compare mine_converted mine_int16",
        "compare A B [--max_slowdown 5%%] [--max_drop 0.2] [--json]",
    )
    what = (
        "JSON of bench_tflite.py or of a target, log of benchmark_model, or folder of a run, of "
        "`convert` or of `qat`"
    )
    parser.add_argument("first", metavar="A", type=str, help=what)
    parser.add_argument("second", metavar="B", type=str, help="the same, newer")
    parser.add_argument(
        "--max_slowdown",
        metavar="PERCENT",
        type=percent,
        help="how much slower B may be, in percent of A's median latency",
    )
    parser.add_argument(
        "--max_drop",
        metavar="POINTS",
        type=percent,
        help="how much B's accuracy may lie below A's, in percentage points",
    )
    parser.json("a table")
    return parser


def doctor_parser() -> Parser:
    """Of `hintlite doctor`."""
    parser = make_parser(
        "what is installed and usable, and how to get the rest",
        "hintlite doctor",
        "doctor [--json]",
    )
    parser.json("a table")
    return parser
