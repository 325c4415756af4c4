"""The model of this folder on pictures, or on .npy arrays of raw values: python3 predict.py cat.png

A model of several inputs takes .npz files with one array an input, by its name. Where the model
chooses no class, the values of its outputs are printed. Needs numpy, ai-edge-litert or
tflite-runtime, and Pillow for pictures.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
from values import answers, inputs_of, raw_of, stored  # type: ignore[import-not-found]  # noqa: E402

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

ABOUT = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
model = Interpreter(model_path=str(FOLDER / next(iter(ABOUT["models"]))))
model.allocate_tensors()
for name in sys.argv[1:] or sys.exit(__doc__):
    for wanted, given in zip(inputs_of(ABOUT), model.get_input_details()):
        model.set_tensor(given["index"], stored(raw_of(name, wanted), wanted, given))
    model.reset_all_variables()  # an LSTM begins each sample anew
    model.invoke()
    details = model.get_output_details()
    outputs = [model.get_tensor(each["index"])[0] for each in details]
    for line in answers(ABOUT, outputs, details):
        print(name, *line, sep="\t")
