// The distilled student, computed in the reader's browser from the files that kdbook.browser writes. They are loaded only
// when the reader asks. Without this script the page keeps its table of predictions.
"use strict";

(() => {
  const FILES = new URL("../demo/", document.currentScript.src);

  // ---- words to pieces: the likeliest division by a Unigram model, as Hugging Face's tokenizers find it

  function tokenizerOf(pieces, unknown) {
    const scores = new Map(pieces.map(([piece, score], id) => [piece, { id, score }]));
    const longest = Math.max(...pieces.map(([piece]) => piece.length));
    const penalty = Math.min(...pieces.map(([, score]) => score)) - 10;

    function divide(word) {
      const letters = Array.from(word);
      const best = [{ score: 0 }];
      for (let start = 0; start < letters.length; start += 1) {
        let single = false;
        let text = "";
        const offer = (end, id, score) => {
          if (!best[end] || score > best[end].score) best[end] = { score, id, start };
        };
        for (let end = start + 1; end <= letters.length && text.length < longest; end += 1) {
          text += letters[end - 1];
          const piece = scores.get(text);
          if (!piece) continue;
          offer(end, piece.id, best[start].score + piece.score);
          single ||= end === start + 1;
        }
        if (!single) offer(start + 1, unknown, best[start].score + penalty);
      }
      const ids = [];
      for (let end = letters.length; end > 0; end = best[end].start) {
        if (!(best[end].id === unknown && ids[0] === unknown)) ids.unshift(best[end].id);
      }
      return ids;
    }
    return (text) => text.split(/\s+/u).filter(Boolean).flatMap((word) => divide(`▁${word}`));
  }

  // ---- the encoder; a matrix is a flat array, row by row

  const erf = (x) => {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
    return Math.sign(x) * (1 - tail);
  };
  const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

  function linear(input, weight, bias) {
    const [outputs, inputs] = [bias.length, weight.length / bias.length];
    const result = new Float64Array((input.length / inputs) * outputs);
    for (let at = 0; at < result.length; at += 1) {
      const [row, column] = [Math.floor(at / outputs), at % outputs];
      let sum = bias[column];
      for (let i = 0; i < inputs; i += 1) sum += input[row * inputs + i] * weight[column * inputs + i];
      result[at] = sum;
    }
    return result;
  }

  function normalize(input, scale, shift, epsilon) {
    const width = scale.length;
    const result = new Float64Array(input.length);
    for (let start = 0; start < input.length; start += width) {
      const row = input.subarray(start, start + width);
      const mean = row.reduce((sum, x) => sum + x, 0) / width;
      const deviation = Math.sqrt(row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / width + epsilon);
      row.forEach((x, i) => (result[start + i] = ((x - mean) / deviation) * scale[i] + shift[i]));
    }
    return result;
  }

  function softmax(values) {
    const highest = Math.max(...values);
    const powers = values.map((value) => Math.exp(value - highest));
    const sum = powers.reduce((total, power) => total + power, 0);
    return powers.map((power) => power / sum);
  }

  const add = (one, other) => one.map((x, i) => x + other[i]);

  function attend(queries, keys, values, tokens, width, heads) {
    const size = width / heads;
    const result = new Float64Array(queries.length);
    for (let head = 0; head < heads; head += 1) {
      for (let from = 0; from < tokens; from += 1) {
        const at = (token) => token * width + head * size;
        const likeness = Array.from({ length: tokens }, (_, to) => {
          let sum = 0;
          for (let i = 0; i < size; i += 1) sum += queries[at(from) + i] * keys[at(to) + i];
          return sum / Math.sqrt(size);
        });
        softmax(likeness).forEach((share, to) => {
          for (let i = 0; i < size; i += 1) result[at(from) + i] += share * values[at(to) + i];
        });
      }
    }
    return result;
  }

  function modelOf({ settings, tensors, pieces }, numbers) {
    const tensor = (name) => numbers.subarray(tensors[name].offset, tensors[name].offset + tensors[name].size);
    const apply = (name, input) => linear(input, tensor(`${name}.weight`), tensor(`${name}.bias`));
    const normal = (name, input) => normalize(input, tensor(`${name}.weight`), tensor(`${name}.bias`), settings.layer_norm_eps);
    const tokenize = tokenizerOf(pieces, settings.unknown);
    const width = settings.hidden_size;

    // As AutoMM joins two texts: the longer one loses its end until both fit.
    function join(first, second) {
      const parts = [tokenize(first), tokenize(second)];
      while (parts[0].length + parts[1].length > settings.longest - 3) parts[parts[0].length >= parts[1].length ? 0 : 1].pop();
      const end = settings.eos_token_id;
      return [settings.bos_token_id, ...parts[0], end, ...parts[1], end];
    }

    function embed(ids) {
      const [words, places, kind] = ["word", "position", "token_type"].map((name) => tensor(`model.embeddings.${name}_embeddings.weight`));
      const sum = new Float64Array(ids.length * width);
      ids.forEach((id, at) => {
        const place = (at + 1 + settings.pad_token_id) * width;
        for (let i = 0; i < width; i += 1) sum[at * width + i] = words[id * width + i] + places[place + i] + kind[i];
      });
      return normal("model.embeddings.LayerNorm", sum);
    }

    // The features that the head sees: those of the first token, or the mean over all tokens.
    function pooled(state) {
      if (settings.pooling !== "mean") return state.subarray(0, width);
      const mean = new Float64Array(width);
      state.forEach((value, at) => (mean[at % width] += (value * width) / state.length));
      return mean;
    }

    // Probability that the sentences mean the same.
    return (first, second) => {
      const ids = join(first, second);
      let state = embed(ids);
      for (let layer = 0; layer < settings.num_hidden_layers; layer += 1) {
        const name = `model.encoder.layer.${layer}`;
        const [queries, keys, values] = ["query", "key", "value"].map((part) => apply(`${name}.attention.self.${part}`, state));
        const attended = attend(queries, keys, values, ids.length, width, settings.num_attention_heads);
        state = normal(`${name}.attention.output.LayerNorm`, add(apply(`${name}.attention.output.dense`, attended), state));
        const inner = apply(`${name}.intermediate.dense`, state).map(gelu);
        state = normal(`${name}.output.LayerNorm`, add(apply(`${name}.output.dense`, inner), state));
      }
      return softmax(Array.from(apply("head", pooled(state))))[1];
    };
  }

  async function load() {
    const [config, weights] = await Promise.all(["student.json", "student.bin"].map((name) => fetch(new URL(name, FILES))));
    if (!config.ok || !weights.ok) throw new Error("the student of this profile can't run in a browser");
    return modelOf(await config.json(), new Float32Array(await weights.arrayBuffer()));
  }

  let loading; // a promise of the model, once it was asked for
  const student = () => (loading ??= load());
  window.kdbookStudent = async (first, second) => (await student())(first, second);

  // ---- the form

  function field(form, label, value) {
    const box = document.createElement("label");
    box.textContent = label;
    const input = document.createElement("textarea");
    input.rows = 2;
    input.maxLength = 500;
    input.required = true;
    input.value = value;
    box.append(input);
    form.append(box);
    return input;
  }

  const SAME = "1"; // the label of pairs with the same meaning
  const PRESETS = 4;

  // The rows of the table: two sentences, the label, and the probability of class 1.
  function rowsOf(cell) {
    const rows = [...cell.querySelectorAll("tbody tr")];
    return rows.map((row) => {
      const [first, second, label, share] = [...row.querySelectorAll("td")].map((entry) => entry.textContent.trim());
      return { first, second, label, correct: share > 0.5 === (label === SAME) };
    });
  }

  // Some pairs, one of which the student gets wrong, if the table has any.
  function presetsOf(rows) {
    const wrong = rows.find((row) => !row.correct);
    const others = rows.filter((row) => row !== wrong).slice(0, wrong ? PRESETS - 1 : PRESETS);
    return rows.filter((row) => row === wrong || others.includes(row));
  }

  function addPresets(form, rows, first, second) {
    const box = document.createElement("div");
    box.className = "preset-buttons";
    presetsOf(rows).forEach((row, number) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "preset-button";
      button.textContent = `Test pair ${number + 1}`;
      button.addEventListener("click", () => {
        [first.value, second.value] = [row.first, row.second];
        form.requestSubmit();
      });
      box.append(button);
    });
    form.prepend(box);
  }

  function verdictOn(rows, first, second, isSame) {
    const row = rows.find((each) => each.first === first && each.second === second);
    if (!row) return "";
    const correct = isSame === (row.label === SAME);
    return ` The label is ${row.label}, so the student is ${correct ? "correct" : "incorrect"}.`;
  }

  function addForm(cell) {
    const rows = rowsOf(cell);
    const form = document.createElement("form");
    form.className = "student-demo";
    const first = field(form, "First sentence", rows[0]?.first ?? "");
    const second = field(form, "Second sentence", rows[0]?.second ?? "");
    const button = document.createElement("button");
    button.className = "btn btn-primary";
    button.textContent = "Try the student";
    const answer = document.createElement("output");
    form.append(button, answer);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      answer.textContent = "The student is loading …";
      try {
        const share = await window.kdbookStudent(first.value, second.value);
        answer.textContent = `${share > 0.5 ? "The same meaning" : "Different meanings"}: the student assigns “the same” a probability of ${share.toFixed(3)}.${verdictOn(rows, first.value, second.value, share > 0.5)}`;
      } catch (error) {
        loading = undefined;
        answer.textContent = `Could not run the student: ${error.message}.`;
      }
    });
    addPresets(form, rows, first, second);
    cell.querySelector(".cell_output").prepend(form);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".tag_student-demo").forEach(addForm));
})();
