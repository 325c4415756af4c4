"""deploy/boards.py: the package's boards, a user's own, and files that are none."""

import pytest

from hintlite.deploy.boards import Board, BoardError, find_board, load_boards

MINE = """
shelf:
  title: Shelf sensor
  chip: X1
  core: Cortex-M33
  clock_mhz: 48
  flash_kib: 256
  ram_kib: 32
  source: measured
  aliases: [shelf-v1]
"""
BOARDS = (
    *("nano33ble", "pico", "pico2", "esp32s3", "stm32f446", "stm32h743", "nrf52840", "nrf5340"),
    *("ra8d1", "alif-e7", "corstone-300", "microbit-v2"),
)


def write(tmp_path, text):
    path = tmp_path / "boards.yaml"
    path.write_text(text)
    return path


def test_a_dozen_boards_each_with_a_source():
    boards = load_boards()
    assert tuple(boards) == BOARDS
    assert all(len(board.source) > 20 for board in boards.values())


@pytest.mark.parametrize(
    ("name", "flash", "ram", "block"),
    [
        ("nano33ble", 983_040, 262_144, 262_144),
        ("Pico", 2 << 20, 264 * 1024, 264 * 1024),
        ("nucleo-h743zi", 2 << 20, 1 << 20, 512 * 1024),
        ("nucleo-h743zi2", 2 << 20, 1 << 20, 512 * 1024),
        ("ek-ra8d1", 2016 * 1024, 1 << 20, 896 * 1024),
        ("ensemble-e7", 5632 * 1024, 13824 * 1024, 4 << 20),
        ("mps3-an547", 8 << 20, 4 << 20, 4 << 20),
        ("microbit", 512 * 1024, 128 * 1024, 128 * 1024),
    ],
)
def test_figures_by_name_and_alias(name, flash, ram, block):
    board = find_board(name, load_boards())
    assert (board.flash_bytes, board.ram_bytes, board.largest_block_bytes) == (flash, ram, block)


def test_names_and_aliases_never_collide():
    names = [name for board in load_boards().values() for name in (board.name, *board.aliases)]
    assert len(names) == len(set(names))


def test_a_users_file_adds_boards_and_may_replace_one(tmp_path):
    text = MINE + MINE.replace("shelf:", "pico:").replace("[shelf-v1]", "[]")
    boards = load_boards(write(tmp_path, text))
    assert find_board("shelf-v1", boards).ram_bytes == 32 * 1024
    assert find_board("pico", boards).title == "Shelf sensor"
    assert len(boards) == len(BOARDS) + 1


@pytest.mark.parametrize(("typo", "near"), [("nano33bel", "nano33ble"), ("stm32h744", "stm32h743")])
def test_near_names_for_typos(typo, near):
    with pytest.raises(BoardError, match=f"did you mean .*{near}"):
        find_board(typo, load_boards())


def test_a_name_like_no_other_lists_all():
    with pytest.raises(BoardError, match="there are nano33ble, pico"):
        find_board("zzz", load_boards())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ram_kib: 32", "ram: 32", "foreign field 'ram'; did you mean ram_kib"),
        ("  ram_kib: 32\n", "", "shelf lacks ram_kib"),
        ("ram_kib: 32", "ram_kib: much", "ram_kib must be a number"),
        ("ram_kib: 32", "ram_kib: -1", "ram_kib must be a number"),
        ("ram_kib: 32", "ram_kib: true", "ram_kib must be a number"),
        ("clock_mhz: 48", "clock_mhz: .nan", "clock_mhz must be a number"),
        ("title: Shelf sensor", "title: ''", "title must be a text"),
        ("[shelf-v1]", "shelf-v1", "aliases must be a list"),
        ("[shelf-v1]", "[A B]", "is no name"),
        ("source: measured", "source: measured\n  largest_block_kib: 64", "more than ram_kib"),
        ("source: measured", "source: measured\n  reserved_ram_kib: 32", "more is reserved"),
        (MINE, "shelf: 3", "must have fields"),
        (MINE, "- a", "must hold entries"),
        (MINE, "a: [", "is no YAML"),
        (MINE, "!!python/object:os.x {}", "is no YAML"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path, old, new, said):
    assert old in MINE
    with pytest.raises(BoardError, match=said):
        load_boards(write(tmp_path, MINE.replace(old, new)))


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(BoardError, match=r"none.yaml cannot be read: No such file"):
        load_boards(tmp_path / "none.yaml")


def test_a_board_made_in_python_is_checked_too():
    with pytest.raises(BoardError, match="core must be a text"):
        Board("x", "X", "X", None, 1, 1, 1, "s")  # type: ignore[arg-type]
