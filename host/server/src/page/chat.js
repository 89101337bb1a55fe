const $ = id => document.getElementById(id);
// Of a model whose makers recommend no temperature: a small one at 1 writes gibberish.
const COOL = 0.2;
// One conversation; an answer belongs to the one that it was asked in.
const begun = () => ({ messages: [], running: null });
let talk = begun(), infos = [];
$("key").value = sessionStorage.getItem("key") || "";
$("key").onchange = () => { sessionStorage.setItem("key", $("key").value); list() };
const headers = () => ({ "Content-Type": "application/json", ...($("key").value && { Authorization: "Bearer " + $("key").value }) });
const chosen = () => infos.find(info => info.name === $("models").value) ?? infos[0];

// The page follows an answer, unless its reader has scrolled up.
const isAtEnd = () => $("talk").scrollHeight - $("talk").scrollTop - $("talk").clientHeight < 60;
const toEnd = () => { $("talk").scrollTop = $("talk").scrollHeight };

function show(role, text = "") {
  const said = document.createElement("article");
  said.className = role;
  said.textContent = text;
  $("talk").append(said);
  toEnd();
  return said;
}

function folded(kind, title, content, isOpen) {
  const details = document.createElement("details"), summary = document.createElement("summary");
  details.className = kind;
  details.open = isOpen;
  summary.textContent = title;
  details.append(summary, content);
  return details;
}

async function state() {
  try {
    const { model, now } = await (await fetch("/readyz")).json();
    if (!model) return $("state").textContent = "the model is being loaded";
    infos = [model, ...infos.filter(info => info.name !== model.name)];
    const info = chosen();
    $("model").textContent = info.provider ? `${info.name} on ${info.provider}, ${info.context} tokens of context` : info.name;
    $("temperature").placeholder = info.context ? info.temperature ?? COOL : "";
    $("state").textContent = now.running || now.waiting ? `${now.running} running, ${now.waiting} waiting` : "";
  } catch { $("state").textContent = "the server does not answer" }
}

// Several models: one is chosen here.
async function list() {
  try {
    const { data } = await (await fetch("/v1/models", { headers: headers() })).json();
    infos = data.map(one => infos.find(info => info.name === one.id) ?? { name: one.id, chats: true });
    const before = $("models").value;
    $("models").replaceChildren(...data.map(one => new Option(one.id)));
    if (data.some(one => one.id === before)) $("models").value = before;
    $("models").hidden = data.length < 2;
  } catch { /* The state line says what is wrong. */ }
  state();
}
$("models").onchange = state;
list(); setInterval(state, 3000);

async function* pieces(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "";;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
  }
}

function body(messages, prompt) {
  const info = chosen();
  const asked = { stream: true, stream_options: { include_usage: true }, max_tokens: +$("most").value || undefined };
  if ($("models").options.length > 1) asked.model = $("models").value;
  const temperature = $("temperature").value;
  if (temperature !== "") asked.temperature = +temperature;
  // Of other models than the default one the page knows the name alone: the server has what their makers recommend.
  else if (info?.context && info.temperature === undefined) asked.temperature = COOL;
  if (info && !info.chats) return ["/v1/completions", { ...asked, prompt }];
  if ($("tools").value.trim()) {
    try { asked.tools = JSON.parse($("tools").value) } catch (error) { throw new Error("The tools are not JSON: " + error.message) }
  }
  return ["/v1/chat/completions", { ...asked, messages }];
}

// What an answer consists of, and its place on the page.
class Answer {
  constructor(article, said = "") {
    Object.assign(this, { article, said, thought: "", calls: [], finish: null, usage: null, first: 0, began: performance.now() });
  }

  add(piece) {
    if (piece.error) throw new Error(piece.error.message);
    const choice = piece.choices[0], delta = choice?.delta ?? {};
    const more = delta.content ?? choice?.text ?? "";
    if (more || delta.reasoning_content || delta.tool_calls) this.first ||= performance.now();
    this.said += more;
    this.thought += delta.reasoning_content ?? "";
    for (const part of delta.tool_calls ?? []) {
      const call = this.calls[part.index] ??= { id: part.id, type: "function", function: { name: "", arguments: "" } };
      call.function.name += part.function?.name ?? "";
      call.function.arguments += part.function?.arguments ?? "";
    }
    this.finish = choice?.finish_reason ?? this.finish;
    this.usage = piece.usage ?? this.usage;
    this.draw();
  }

  // What a piece changed is drawn with the next frame: a long answer is not drawn anew for each of its tokens.
  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.drawNow() });
  }

  drawNow() {
    const follows = isAtEnd(), parts = [];
    if (this.thought) {
      const text = document.createElement("div");
      text.textContent = this.thought;
      const was = this.article.querySelector(".thought");
      parts.push(folded("thought", "Reasoning", text, was ? was.open : !this.said));
    }
    const answer = document.createElement("div");
    answer.className = "answer";
    answer.append(...markdown(this.said));
    parts.push(answer);
    for (const call of this.calls) {
      const block = document.createElement("pre");
      block.textContent = pretty(call.function.arguments);
      parts.push(folded("call", `Calls ${call.function.name}`, block, true));
    }
    this.article.replaceChildren(...parts);
    if (follows) toEnd();
  }

  isEmpty() { return !this.said && !this.thought && !this.calls.length }

  message() {
    const message = { role: "assistant", content: this.said };
    if (this.calls.length) message.tool_calls = this.calls;
    return message;
  }

  note(why, button) {
    if (this.frame) cancelAnimationFrame(this.frame);
    this.drawNow();
    const note = document.createElement("small"), words = why ? [why] : [], { usage, first, began } = this;
    if (usage && first) {
      const seconds = (performance.now() - first) / 1000;
      words.push(`${usage.completion_tokens} tokens`);
      if (usage.completion_tokens > 1) words.push(`${((usage.completion_tokens - 1) / seconds).toFixed(0)} tokens/s`);
      words.push(`first after ${(first - began).toFixed(0)} ms`);
    }
    note.textContent = words.join(", ");
    if (button) note.append(button);
    if (words.length) this.article.append(note);
    toEnd();
  }
}

const pretty = text => { try { return JSON.stringify(JSON.parse(text), null, 2) } catch { return text } };

// Asks, and takes the answer into the conversation that it was asked in. `added` are the messages that are new.
async function ask(added, answer, prompt, articles) {
  const mine = talk, isCurrent = () => talk === mine;
  mine.running = new AbortController();
  button();
  let why = "";
  try {
    const [path, asked] = body([...mine.messages, ...added], prompt);
    const response = await fetch(path, { method: "POST", headers: headers(), body: JSON.stringify(asked), signal: mine.running.signal });
    if (!response.ok) {
      const text = await response.text();
      let message; try { message = JSON.parse(text).error.message } catch { message = text || response.statusText }
      throw new Error(message);
    }
    for await (const piece of pieces(response)) answer.add(piece);
  } catch (error) {
    why = error.name === "AbortError" ? "stopped" : "failed: " + error.message;
  }
  mine.running = null;
  // A conversation that was left takes its answer along.
  if (!isCurrent()) return;
  if (why && (answer.isEmpty() || answer.calls.length)) {
    // The model has not answered: the message is not part of the conversation, and can be sent again.
    answer.article.remove();
    articles.forEach(article => article.classList.add("failed"));
    if (why !== "stopped") show("error", why.slice("failed: ".length));
    if (!$("text").value) $("text").value = prompt;
  } else {
    mine.messages.push(...added.filter(message => message.role !== "assistant"), answer.message());
    if (answer.finish === "length") why = `cut at the limit of ${$("most").value || "the context"} tokens`;
    answer.note(why, answer.finish === "length" && !answer.calls.length && chosen()?.chats !== false ? more(answer) : null);
  }
  button();
  $("text").focus();
}

// Goes on where the limit cut an answer.
function more(before) {
  const made = document.createElement("button");
  made.textContent = "Continue";
  made.onclick = () => {
    if (talk.running || talk.messages.at(-1)?.content !== before.said) return;
    const last = talk.messages.pop();
    const answer = new Answer(before.article, before.said);
    answer.thought = before.thought;
    ask([last], answer, "", []);
    made.remove();
  };
  return made;
}

function send() {
  const text = $("text").value.trim();
  // While an answer comes, the text stays where it is.
  if (!text || talk.running) return;
  $("text").value = "";
  const open = talk.messages.at(-1)?.tool_calls ?? [];
  const added = open.length ? open.map(call => ({ role: "tool", tool_call_id: call.id, content: text })) : [{ role: "user", content: text }];
  const said = show("user", open.length ? `Result of ${open.map(call => call.function.name).join(", ")}: ${text}` : text);
  ask(added, new Answer(show("assistant")), text, [said]);
}

function button() {
  $("send").textContent = talk.running ? "Stop" : "Send";
  const open = talk.messages.at(-1)?.tool_calls;
  $("text").placeholder = talk.running ? "Enter sends when the answer is there"
    : open ? `Result of ${open.map(call => call.function.name).join(", ")}, Enter to send` : "Message, Enter to send";
}

$("send").onclick = () => talk.running ? talk.running.abort() : send();
$("new").onclick = () => {
  const before = talk;
  talk = begun();
  before.running?.abort();
  $("talk").replaceChildren();
  button();
  $("text").focus();
};
$("text").onkeydown = event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send() }
  if (event.key === "Escape") talk.running?.abort();
};
