// Places in the bundle are told as places in its sources.

/**
 * The lines of a stack with places in the sources. The build puts a table behind the bundle: the bundle's name, the names of the
 * sources, and for each piece of the bundle, in order, where it starts and where it came from (line, column, source, line, column).
 */
export function mapped(stack, table = globalThis.llmhostSources) {
  if (!table || !stack) return stack ?? ''
  const line = (text) => {
    const [all, file, line, column] = /[^\s()@]*?([^\s()@/]+):(\d+):(\d+)/.exec(text) ?? []
    if (file !== table.bundle) return text
    const place = sourceOf(table, Number(line), Number(column))
    // Code of packages is not told: the first line says who made the mistake.
    return place && text.replace(all, place)
  }
  return stack.split('\n').map(line).filter((text) => text !== undefined).join('\n')
}

function sourceOf({ sources, pieces }, line, column) {
  let found
  for (const piece of pieces) {
    if (piece[0] > line || (piece[0] === line && piece[1] > column)) break
    if (piece[0] === line) found = piece
  }
  return found && `${sources[found[2]]}:${found[3]}:${found[4]}`
}
