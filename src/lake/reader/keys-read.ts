/** A part of the syntax tree that DuckDB gives of a statement (`json_serialize_sql`). */
type Node = Readonly<Record<string, unknown>>

/**
 * The series that a statement can read of one view: the values that it allows for the view's key, or `all`.
 *
 * Wherever the view stands, the conditions on the key there are what counts: equalities with a text, IN lists of
 * texts, joined by AND and OR. Whatever else is said of the key narrows nothing, so that never less is named than is
 * read.
 *
 * @param tree DuckDB's syntax tree of the statement; undefined where it has none (DESCRIBE, SUMMARIZE …)
 * @param key column that tells the series of the view apart, `ticker` or `underlying`
 */
export function keysRead(tree: unknown, view: string, key: string): ReadonlySet<string> | 'all' {
  const nodes = [...nodesBelow(tree)]
  // A function may read a view by its name: query_table('equity_bars_1m').
  if (tree === undefined || nodes.some(({ type }) => type === 'TABLE_FUNCTION')) return 'all'
  const narrowed = new Map<Node, ReadonlySet<string>>()
  for (const node of nodes) {
    if (node['type'] === 'SELECT_NODE') narrow(node, key, narrowed)
  }
  const keys = new Set<string>()
  const places = nodes.filter((node) => node['type'] === 'BASE_TABLE' && isNamed(node, view))
  for (const place of places) {
    const allowed = narrowed.get(place)
    if (!allowed) return 'all'
    for (const one of allowed) keys.add(one)
  }
  return places.length > 0 ? keys : 'all'
}

function* nodesBelow(value: unknown): Generator<Node> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield value as Node
  for (const child of Object.values(value)) yield* nodesBelow(child)
}

const isNamed = ({ table_name }: Node, view: string): boolean =>
  String(table_name).toLowerCase() === view.toLowerCase()

/** Notes which keys each table in the FROM of `select` can bring, where its WHERE says so. */
function narrow(select: Node, key: string, narrowed: Map<Node, ReadonlySet<string>>): void {
  const from = select['from_table']
  const tables = tablesOf(from)
  const isShared = joinsOnKey(from, key)
  for (const table of tables) {
    // A qualifier may be that of a table further out: only the names that this FROM gives count.
    const names = new Set((isShared ? tables : [table]).map(nameOf))
    const isKey = (path: readonly string[]): boolean => {
      const [column, qualifier] = [path.at(-1), path.at(-2)]
      if (column !== key || renamesColumns(table)) return false
      return qualifier === undefined ? isShared : names.has(qualifier)
    }
    const allowed = keysAllowed(select['where_clause'], isKey)
    if (allowed) narrowed.set(table, allowed)
  }
}

/** What a FROM calls a table. */
const nameOf = ({ alias, table_name }: Node): string =>
  String(alias === '' ? table_name : alias).toLowerCase()

const renamesColumns = ({ column_name_alias }: Node): boolean =>
  Array.isArray(column_name_alias) && column_name_alias.length > 0

/** Tables of a FROM, those of its joins included, not those of subqueries. */
function tablesOf(from: unknown): Node[] {
  const { type, left, right } = (from ?? {}) as Node
  if (type === 'BASE_TABLE') return [from as Node]
  return type === 'JOIN' ? [...tablesOf(left), ...tablesOf(right)] : []
}

/** True for a table alone, and for inner joins `USING (key)`: a condition on the key holds for all of their tables. */
function joinsOnKey(from: unknown, key: string): boolean {
  const { type, left, right, join_type, using_columns } = (from ?? {}) as Node
  if (type === 'BASE_TABLE') return true
  const usesKey =
    Array.isArray(using_columns) && using_columns.some((one) => String(one).toLowerCase() === key)
  return (
    type === 'JOIN' && join_type === 'INNER' && usesKey && joinsOnKey(left, key) && joinsOnKey(right, key)
  )
}

/** Values of the key with which `condition` can hold; undefined: any. */
function keysAllowed(
  condition: unknown,
  isKey: (path: readonly string[]) => boolean,
): ReadonlySet<string> | undefined {
  const { type, left, right, children } = (condition ?? {}) as Node
  const parts = Array.isArray(children) ? (children as unknown[]) : []
  const isColumn = (part: unknown): boolean => {
    const { type: kind, column_names } = (part ?? {}) as Node
    return kind === 'COLUMN_REF' && isKey((column_names as string[]).map((name) => name.toLowerCase()))
  }
  if (type === 'COMPARE_EQUAL') {
    const text = isColumn(left) ? textOf(right) : isColumn(right) ? textOf(left) : undefined
    return text === undefined ? undefined : new Set([text])
  }
  if (type === 'COMPARE_IN') {
    const texts = parts.slice(1).map(textOf)
    return isColumn(parts[0]) && texts.every((text) => text !== undefined) ? new Set(texts) : undefined
  }
  const sets = parts.map((part) => keysAllowed(part, isKey))
  const known = sets.filter((set) => set !== undefined)
  if (type === 'CONJUNCTION_AND' && known.length > 0) {
    return known.reduce((all, set) => new Set([...all].filter((one) => set.has(one))))
  }
  if (type === 'CONJUNCTION_OR' && known.length === sets.length) {
    return new Set(known.flatMap((set) => [...set]))
  }
  return undefined
}

/** The text of a constant; undefined for anything else. */
function textOf(part: unknown): string | undefined {
  const { type, value } = (part ?? {}) as Node
  if (type !== 'VALUE_CONSTANT') return undefined
  const text = (value as Node | undefined)?.['value']
  return typeof text === 'string' ? text : undefined
}
