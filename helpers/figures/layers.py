"""A network's layers as a table; apart from all other tables, which need no TensorFlow."""

from __future__ import annotations

import keras
import pandas as pd

LAYER_TYPES = {
    "Conv2D": "2D convolutional layer",
    "MaxPooling2D": "Max pooling",
    "AveragePooling2D": "Average pooling",
    "Dense": "Dense layer",
    "InputLayer": "Input",
}


def architecture_table(model: keras.Model) -> pd.DataFrame:
    """List a network's layers as the report does (Tables 2 and 3), with shapes and weights.

    A network nested in the model, such as InceptionV3's body, is one row that counts its layers.
    The last row sums the weights up.
    """
    rows = []
    for layer in getattr(model, "layers", []):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        kind = type(layer).__name__
        shape = tuple(layer.output.shape)[1:]
        rows.append(
            {
                "Layer type": _nested_name(layer)
                if isinstance(layer, keras.Model)
                else LAYER_TYPES.get(kind, kind),
                "Parameters": _layer_parameters(layer),
                "Output shape": " × ".join(str(size) for size in shape),
                "Weights": layer.count_params(),
            }
        )
    if not rows:
        raise ValueError(f"{model!r} has no layers to list; a Keras model with layers is needed")
    rows.append(
        {
            "Layer type": "Total",
            "Parameters": "",
            "Output shape": "",
            "Weights": model.count_params(),
        }
    )
    return pd.DataFrame(rows)


def _nested_name(body: keras.Model) -> str:
    return "InceptionV3" if body.name.startswith("inception_v3") else body.name


def _layer_parameters(layer: keras.Layer) -> str:
    """Describe what a layer was made with, in the report's words."""
    config = layer.get_config()
    if isinstance(layer, keras.Model):
        count = [type(inner).__name__ for inner in layer.layers].count
        return (
            f"{count('Conv2D')} convolutions, {count('Concatenate')} concatenations, "
            f"{count('MaxPooling2D') + count('AveragePooling2D')} poolings"
        )
    if "filters" in config:
        return f"{config['filters']} filters, {'x'.join(map(str, config['kernel_size']))} kernel"
    if "units" in config:
        return f"{config['units']} nodes"
    if "pool_size" in config:
        return f"({','.join(map(str, config['pool_size']))})"
    if "rate" in config:
        return f"{config['rate']:g}"
    if isinstance(layer, keras.layers.Resizing):
        return f"to {config['height']}x{config['width']} pixels"
    if isinstance(layer, keras.layers.Rescaling):
        return f"{config['scale']:g} x pixel {config['offset']:+g}"
    return ""
