// Markdown as models write it, as elements of the page. Texts become text nodes and nothing is read as HTML, so an answer
// cannot put markup or a script into the page. Links lead to the web and to mail alone; pictures are links, because
// loading one would tell its server that the answer was read.
const markdown = (() => {
  const element = (name, ...children) => {
    const made = document.createElement(name);
    made.append(...children);
    return made;
  };

  // Each alternative is linear in the length of a line.
  const INLINE = /(`+)(.+?)\1(?!`)|\*\*(?=\S)(.+?)\*\*|__(?=\S)(.+?)__|~~(?=\S)(.+?)~~|\*(?=[^\s*])([^*]+)\*|(?<!\w)_(?=[^\s_])([^_]+)_(?!\w)|!?\[([^\]]*)\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)|\\([\\`*_{}[\]()#+\-.!~|<>])|(https?:\/\/[^\s<>"'`)\]]+)/;

  function link(text, address) {
    if (!/^(https?:|mailto:)/i.test(address)) return [text];
    const made = element("a", text);
    made.href = address;
    made.target = "_blank";
    made.rel = "noopener noreferrer nofollow";
    return [made];
  }

  function inline(text, depth = 0) {
    const all = [];
    while (text) {
      const found = depth < 8 ? INLINE.exec(text) : null;
      if (!found) { all.push(text); break }
      if (found.index) all.push(text.slice(0, found.index));
      const [whole, , code, bold, bold2, gone, italic, italic2, label, address, escaped, bare] = found;
      const inner = name => all.push(element(name, ...inline(bold ?? bold2 ?? gone ?? italic ?? italic2, depth + 1)));
      if (code !== undefined) all.push(element("code", code.trim() || code));
      else if (bold !== undefined || bold2 !== undefined) inner("strong");
      else if (gone !== undefined) inner("del");
      else if (italic !== undefined || italic2 !== undefined) inner("em");
      else if (address !== undefined) all.push(...link(label || address, address));
      else if (escaped !== undefined) all.push(escaped);
      else if (bare !== undefined) {
        const end = bare.replace(/[.,;:!?]+$/, "");
        all.push(...link(end, end), bare.slice(end.length));
      }
      text = text.slice(found.index + whole.length);
    }
    return all.filter(one => one !== "");
  }

  // Lines of a paragraph break where the text breaks.
  const lines = texts => texts.flatMap((text, at) => at ? [element("br"), ...inline(text)] : inline(text));

  const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
  const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
  const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
  const FENCE = /^\s*(```+|~~~+)\s*([\w+#.-]*)\s*$/;
  const cells = row => row.trim().replace(/^\||\|$/g, "").split("|").map(cell => cell.trim());
  const isTable = (row, below) => row.includes("|") && /^\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*\|?\s*$/.test(below ?? "");
  const begins = line => FENCE.test(line) || HEADING.test(line) || RULE.test(line) || ITEM.test(line) || /^\s*>/.test(line);

  function list(rows, depth) {
    const [, indent, mark] = ITEM.exec(rows[0]);
    const isOrdered = /\d/.test(mark);
    const made = element(isOrdered ? "ol" : "ul");
    if (isOrdered && parseInt(mark) !== 1) made.start = parseInt(mark);
    let own = [];
    const flush = () => {
      if (!own.length) return;
      const [first, ...rest] = own;
      const below = rest.map(line => line.replace(/^(\t| {1,4})/, ""));
      const simple = below.findIndex(begins);
      const text = simple < 0 ? below : below.slice(0, simple);
      const item = element("li", ...lines([first, ...text.filter(line => line.trim())]));
      if (simple >= 0) item.append(...blocks(below.slice(simple), depth + 1));
      made.append(item);
      own = [];
    };
    for (const row of rows) {
      const found = ITEM.exec(row);
      if (found && found[1].length <= indent.length + 1) { flush(); own = [found[3]] } else own.push(row);
    }
    flush();
    return made;
  }

  function blocks(rows, depth = 0) {
    const all = [];
    for (let at = 0; at < rows.length;) {
      const row = rows[at], fence = FENCE.exec(row), heading = HEADING.exec(row);
      const take = test => { const from = at; while (at < rows.length && test(rows[at], at - from)) at++; return rows.slice(from, at) };
      if (!row.trim()) at++;
      else if (fence) {
        at++;
        // An answer that is still coming has not closed it.
        const text = take(line => !(line.trim().startsWith(fence[1]) && !line.trim().slice(fence[1].length).trim()));
        at++;
        const code = element("code", text.join("\n"));
        if (fence[2]) code.dataset.language = fence[2];
        all.push(element("pre", code));
      } else if (heading) { all.push(element("h" + heading[1].length, ...inline(heading[2]))); at++ }
      else if (RULE.test(row)) { all.push(element("hr")); at++ }
      else if (/^\s*>/.test(row) && depth < 8) {
        const inside = take(line => /^\s*>/.test(line)).map(line => line.replace(/^\s*> ?/, ""));
        all.push(element("blockquote", ...blocks(inside, depth + 1)));
      } else if (ITEM.test(row) && depth < 8) {
        const isMore = (line, count) => !count || ITEM.test(line) || /^\s+\S/.test(line) || (!line.trim() && /^(\s+\S|\s*([-*+]|\d+[.)])\s)/.test(rows[at + 1] ?? ""));
        all.push(list(take(isMore), depth));
      } else if (isTable(row, rows[at + 1])) {
        const [head, , ...body] = take(line => line.includes("|"));
        const one = (name, row) => element("tr", ...cells(row).map(cell => element(name, ...inline(cell))));
        all.push(element("table", element("thead", one("th", head)), element("tbody", ...body.map(row => one("td", row)))));
      } else {
        all.push(element("p", ...lines(take((line, count) => !count || (line.trim() && !begins(line) && !isTable(line, rows[at + 1]))))));
      }
    }
    return all;
  }

  return text => blocks(text.replace(/\r\n?/g, "\n").split("\n"));
})();
