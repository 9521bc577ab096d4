"""What quantization is, what to expect of it honestly, common mistakes, and the words."""

import streamlit as st

from core.decision.explain import METHOD_TITLES
from core.records import Method
from pages.profiles import WHAT_CHANGES

_SUITS: dict[Method, str] = {
    "int8_static": "CNNs",
    "int8_dynamic": "transformers, RNNs",
    "int8_weight_only": "models too sensitive for the others, where a smaller file is what counts",
    "float16": "GPUs; on a CPU it only halves the file",
}

st.title("Guide")
st.markdown("*Quantize second, measure first.*")

st.header("What quantization does")
st.markdown(
    """
A trained model stores its weights as 32-bit floating-point numbers (FP32). **Quantization** stores
them, and often computes with them, in fewer bits. The file gets smaller. Whether the model also
gets *faster*, and whether it stays as *accurate*, depends on the model, on the recipe and on the
CPU it runs on. Nobody can tell beforehand: that is why this tool measures.

| method | what it changes | usually suits |
|---|---|---|
"""
    + "".join(
        f"| **{METHOD_TITLES[method]}** | {WHAT_CHANGES[method]} | {suits} |\n"
        for method, suits in _SUITS.items()
    )
    + "| **selective** | one of these, with some layers left in FP32 | models in which a few "
    "layers cost speed or accuracy |"
)

st.header("What to expect, honestly")
st.markdown(
    """
| | typical range on a CPU | what decides |
|---|---|---|
| file size, INT8 | 25-35% of FP32 | how many of the bytes are weights that the method touches |
| file size, FP16 | about 50% | the same |
| speed, INT8 static on a CNN | 0.7x to 2x or more | the CPU's INT8 instructions (VNNI), the operators, the number types |
| speed, INT8 dynamic on a transformer | 1x to 2.5x | sequence length, the share of matrix products |
| speed, INT8 dynamic on a CNN | usually **slower**, down to 0.15x | ranges are computed at each run, around each convolution |
| speed, FP16 on a CPU | about 1x | CPUs compute in FP32 and convert |
| accuracy drop, INT8 | 0 to 2 points, sometimes collapse | calibration, per-channel weights, sensitive layers |

These are ranges from experience, not promises: the verdict of an evaluation rests on its own
measurements alone.
"""
)

st.header("Common mistakes")
st.markdown(
    """
- **Trusting one stopwatch run.** The same model timed twice on a shared machine can differ by more
  than 5%. Here, the baseline and every candidate take turns within each round, and the baseline
  also races against itself (the A/A check): if it cannot tie with itself, no verdict is given.
- **The wrong method.** *Dynamic quantization on a CNN is how people conclude that quantization
  doesn't help.*
- **The default types.** On x86, signed 8-bit activations can make a model slower than FP32;
  unsigned activations with signed weights can double its speed.
- **Wrong preprocessing.** If the baseline's accuracy is near chance, the inputs are scaled, cropped
  or colour-ordered differently than in training. Quantization is not the problem; and no drop can
  be measured from a baseline that guesses.
- **Too few samples.** With 100 samples and no visible change, the true drop may still be almost 3
  points. About 300 samples are the least that can prove that a drop is under 1 point.
- **Calibrating on the samples that judge.** Calibration, choice and confirmation use separate
  parts of your data here.
- **Measuring on another machine.** A verdict is valid for the class of machine that measured it.
"""
)

st.header("The six verdicts")
st.markdown(
    """
| verdict | it means |
|---|---|
| **Ship** | The quantized model is faster by a useful margin, and its accuracy drop is proven to be within your threshold. |
| **Ship for size only** | It is not usefully faster, but clearly smaller, and as accurate as you asked. |
| **Quantize selectively** | Yes, with the layers named in the recipe left in FP32. |
| **Try FP16** | INT8 does not pay here; FP16 keeps the accuracy, halves the file, and is worth a test on a GPU. |
| **Not worth it** | Keep your file: nothing tried gives a useful gain at an acceptable drop. |
| **Not enough evidence** | The data or the machine cannot prove it either way; the page says what to add. |
"""
)

st.header("Words")
st.markdown(
    """
- **Model**: an ONNX file with what we know of it. **Dataset**: your labelled samples, with the
  preprocessing that turns each into model inputs.
- **Split**: the parting of the dataset into *calibration* (sets ranges), *search* (compares
  candidates) and *confirm* (looked at once, for the final answer).
- **Baseline**: your own file, untouched. **Recipe**: one way to make a smaller model.
  **Candidate**: the model that a recipe made.
- **Policy**: what your team asks for: the largest accuracy drop, the smallest useful gain.
- **p50**: half of all runs are faster than this. **p99**: 99 of 100 runs are faster than this.
- **Speed-up**: the baseline's p50 over the candidate's; 2x means half the time.
- **Accuracy drop**: percentage points lost against the baseline on the same samples; the policy is
  compared with the upper end of its interval.
- **Calibration**: fixes the range of each activation that 8 bits have to cover. *Min-max* takes
  everything that was seen. *Percentile* clips the rarest values, *entropy* clips where that keeps
  most of the information, *MSE* where the squared rounding error is least; what is left gets finer
  steps.
- **Calibration draw**: the same recipe with its ranges from other calibration samples; a verdict
  must not depend on which ones.
- **Per channel**: each channel of a weight has a scale of its own, instead of one for them all.
- **Equalisation**: evens out the channels of adjacent layers before they are quantized, which
  changes no answer in FP32 and leaves finer steps to most channels.
- **SmoothQuant**: moves the outliers of a transformer's activations into the weights, where they
  do less harm.
- **Bias correction**: takes the mean error that quantization adds to each channel out of its bias.
- **Matrix product**: the other way to compute a convolution (*im2col*): the image is unfolded and
  multiplied as a matrix. The answers are the same; which way is faster depends on the layer and on
  the CPU, so both are timed.
- **Weight-only**: the weights are stored in 8 bits, while activations stay floats; nothing has to
  be calibrated.
- **Sensitivity**: what it costs in accuracy, and in time, to quantize one block of the model
  alone. A selective recipe leaves the costly ones in FP32.
- **Successive halving**: many recipes answer few samples, and only the better half of them goes on
  to more. What was given up early stays in the list, with its reason.
- **Front** (Pareto front): the candidates to which no other is as fast, as accurate and as small
  at once; all others are a worse deal than one of these.
- **Balanced accuracy**: the mean over the classes, however many samples each has.
- **Cold start**: from an empty process to the first answer.
- **Interval**: the range in which the true value lies with 95% confidence.
"""
)
