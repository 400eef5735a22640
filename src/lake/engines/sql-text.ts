/** `text` as an SQL string literal. */
export const sqlString = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** `name` as an SQL identifier. */
export const sqlIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** `paths` as an SQL list of file names; characters that DuckDB takes for a glob pattern stand for themselves. */
export const sqlPaths = (paths: readonly string[]): string =>
  `[${paths.map((path) => sqlString(literalPath(path))).join(', ')}]`

/** `path` as a pattern that matches only itself. */
const literalPath = (path: string): string => path.replaceAll(/[*?[]/g, (character) => `[${character}]`)
