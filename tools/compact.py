"""Make the compact encoder of ``src/kdbook/encoders/packed/compact`` from the one of ``tools/e5.py``.

    python tools/compact.py FOLDER [--texts FILE] [--width 64] [--layers 2]

Its word vectors are the principal components of e5's, so only the projection is kept. Its layers are random,
or, with a file of texts, one on a line, taught e5's hidden states token by token. Random ones ship. On French
commands, with English labels alone, a student with layers that were taught on the installation guide of
Debian (17,579 sentences in six languages) had 0.237 on its own and 0.616 after its teacher, one with random
layers 0.371 and 0.595, and in English 0.910 and 0.958 after the teacher: one run each, on rows of no study.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from kdbook.encoders import checkpoints

SCALE = 0.3  # standard deviation of the reduced vectors, near that of e5's own
INITIALIZER_RANGE = 0.05  # at these widths attention with 0.02 stays flat for many epochs
LEARNING_RATE, EPOCHS, BATCH, MAX_TOKENS = 1.5e-3, 3, 64, 64
WARM_UP = 0.06  # of the steps


def projection(words: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """A matrix (384, width) and an offset (width,) that reduce word vectors to their principal components."""
    center = words.double().mean(0)
    covariance = (words.double() - center).T @ (words.double() - center)
    axes = torch.linalg.eigh(covariance).eigenvectors[:, -width:].flip(1)
    axes = axes * torch.sign(axes[axes.abs().argmax(0), range(width)])  # a sign that no library chooses
    factor = SCALE / ((words.double() - center) @ axes).std()
    return (axes * factor).float(), (-center @ axes * factor).float()


def fresh(e5: BertModel, width: int, layers: int) -> tuple[BertModel, dict[str, Tensor]]:
    """An encoder with reduced word vectors and random layers, and the projection."""
    torch.manual_seed(0)
    words = e5.embeddings.word_embeddings.weight.detach()
    positions = e5.embeddings.position_embeddings.weight.detach()
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(4, width // 32),
        intermediate_size=4 * width,
        max_position_embeddings=len(positions),
        type_vocab_size=1,
        hidden_dropout_prob=0.0,  # models this small do not overfit, dropout only slows them down
        attention_probs_dropout_prob=0.0,
        pad_token_id=e5.config.pad_token_id,
        initializer_range=INITIALIZER_RANGE,
    )
    model = BertModel(config, add_pooling_layer=False)
    matrix, offset = projection(words, width)
    embeddings = model.embeddings
    embeddings.word_embeddings.weight.data = words @ matrix + offset
    embeddings.position_embeddings.weight.data = (positions - positions.mean(0)) @ matrix
    embeddings.token_type_embeddings.weight.data.zero_()
    return model, {"projection": matrix, "offset": offset}


def batches(ids: list[list[int]], pad: int) -> list[tuple[Tensor, Tensor]]:
    """Token ids and masks of texts of similar length."""
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    found = []
    for start in range(0, len(order), BATCH):
        rows = [torch.tensor(ids[row]) for row in order[start : start + BATCH]]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
        found.append((padded, (padded != pad).long()))
    return found


def teach(model: BertModel, e5: BertModel, texts: list[str], tokenizer: object) -> None:
    """Teach the layers e5's last hidden states, by their error over tokens and in the mean of a text."""
    todo = batches(
        tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"], tokenizer.pad_token_id
    )
    with torch.inference_mode():
        states = [e5(input_ids=ids, attention_mask=mask).last_hidden_state for ids, mask in todo]
    sample = torch.cat([state[mask.bool()][::20] for state, (_, mask) in zip(states, todo, strict=True)])
    mean, deviation = sample.mean(0), sample.std(0) + 1e-4
    head = torch.nn.Linear(model.config.hidden_size, e5.config.hidden_size)
    model.embeddings.word_embeddings.weight.requires_grad = False  # only its projection is kept
    weights = [each for each in (*model.parameters(), *head.parameters()) if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    total = EPOCHS * len(todo)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (WARM_UP * total), 0.5 * (1 + np.cos(np.pi * step / total)))
    )
    rng = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        losses = []
        for number in rng.permutation(len(todo)):
            ids, mask = todo[number]
            target = (states[number].clone() - mean) / deviation
            found = head(model(input_ids=ids, attention_mask=mask).last_hidden_state)
            loss = _distance(found, target, mask)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: {np.mean(losses):.4f}", flush=True)


def _distance(found: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].float()
    tokens = ((found - target) ** 2 * weights).sum() / weights.sum() / target.shape[-1]
    means = [(states * weights).sum(1) / weights.sum(1) for states in (found, target)]
    cosine = torch.nn.functional.cosine_similarity(*means).mean()
    return tokens + ((means[0] - means[1]) ** 2).mean() + 1 - cosine


def main() -> None:
    """Write the weights without word vectors, and the configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    path = checkpoints.locate("embedded:e5").path
    e5, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    model, kept = fresh(e5, options.width, options.layers)
    if options.texts:
        teach(model, e5, options.texts.read_text("utf-8").splitlines(), tokenizer)
    kept |= {name: weight for name, weight in model.state_dict().items() if "word_embeddings" not in name}
    options.folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: weight.half().contiguous() for name, weight in kept.items()},
        options.folder / "weights.safetensors",
    )
    (options.folder / "config.json").write_text(json.dumps(model.config.to_diff_dict()), "utf-8")


if __name__ == "__main__":
    main()
