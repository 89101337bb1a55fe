"""Makes what is missing.

Usage: python -m matrix FOLDER optimum|genai|encoders [NAME…]
"""

import logging
import os
import sys
import warnings
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_NO_ADVISORY_WARNINGS="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

out, what, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
if what == "encoders":
    from matrix import encoders as program
else:
    from matrix import export as program
getattr(program, what)(out, lambda name: not names or name in names)
