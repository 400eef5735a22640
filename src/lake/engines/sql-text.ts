/** `text` as an SQL string literal. */
export const sqlString = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** `name` as an SQL identifier. */
export const sqlIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** `paths` as an SQL list of file names. DuckDB tries a name as it is before it takes it for a glob pattern. */
export const sqlPaths = (paths: readonly string[]): string => `[${paths.map(sqlString).join(', ')}]`
