"""What suspect labels are, and what they cost the committed networks in accuracy."""

from collections.abc import Mapping, Sequence

import pandas as pd


def by_class(suspects: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return a row per class: how many of its labels are suspect, and what they might be.

    Args:
        suspects: as `find` returns them, with a column split besides.
        classes: in the order of the rows.
    """
    rows = []
    for name in classes:
        part = suspects[suspects["given"] == name]
        counts = part["suggested"].value_counts()
        often = counts.sort_index().sort_values(ascending=False, kind="stable").head(3)
        rows.append(
            {
                "class": name,
                **{split: int((part["split"] == split).sum()) for split in ("train", "test")},
                "most often suggested": ", ".join(f"{to} {count}" for to, count in often.items()),
            }
        )
    return pd.DataFrame(rows)


def accuracies(predictions: Mapping[str, pd.DataFrame], suspects: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network: its accuracy on all test images, and by whether they are suspect.

    Args:
        predictions: by network: index, label and predicted of every test image.
        suspects: of the test images.

    Returns:
        Columns: network, all (accuracy), not_suspect (accuracy on the other images),
        suspect (on the suspects, by the labels as given), suspect_as_suggested (by the labels
        suggested), errors, and errors_on_suspects, their share on suspects.
    """
    suggested = suspects.set_index("index")["suggested"]
    rows = []
    for model, table in predictions.items():
        right = table["predicted"] == table["label"]
        is_suspect = table["index"].isin(suggested.index)
        as_suggested = table["predicted"] == table["index"].map(suggested)
        rows.append(
            {
                "network": model,
                "all": right.mean(),
                "not_suspect": right[~is_suspect].mean(),
                "suspect": right[is_suspect].mean(),
                "suspect_as_suggested": as_suggested[is_suspect].mean(),
                "errors": int((~right).sum()),
                "errors_on_suspects": (~right & is_suspect).sum() / max((~right).sum(), 1),
            }
        )
    return pd.DataFrame(rows)


def all_wrong(predictions: Mapping[str, pd.DataFrame], suspects: pd.DataFrame) -> pd.DataFrame:
    """Return one row: how many test images every network gets wrong, and of these, how many alike.

    Args:
        predictions: by network: index, label and predicted of every test image.
        suspects: of the test images.

    Returns:
        Columns: images, same_answer (all networks give the same one) and suspect.
    """
    label, index = (next(iter(predictions.values()))[name] for name in ("label", "index"))
    answers = pd.DataFrame({model: table["predicted"] for model, table in predictions.items()})
    wrong = answers.ne(label, axis=0).all(axis=1)
    counts = {
        "images": wrong,
        "same_answer": wrong & (answers.nunique(axis=1) == 1),
        "suspect": wrong & index.isin(suspects["index"]),
    }
    return pd.DataFrame([{name: int(which.sum()) for name, which in counts.items()}])


def confusions(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the pairs of classes that the networks mix up, in both directions, most errors first.

    Columns: classes, and one per network with the share of its errors.
    """
    shares = {}
    for model, table in predictions.items():
        errors = table[table["predicted"] != table["label"]]
        pairs = [" and ".join(sorted(pair)) for pair in errors[["label", "predicted"]].to_numpy()]
        shares[model] = pd.Series(pairs).value_counts(normalize=True)
    table = pd.DataFrame(shares).fillna(0.0)
    return table.loc[table.mean(axis=1).sort_values(ascending=False).index].reset_index(
        names="classes"
    )
