import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api'
import { messageOf, UsageError } from '../../core/errors.ts'
import { readError } from '../engines/duckdb-errors.ts'
import type { DuckDbModule } from '../engines/duckdb-instance.ts'
import { filesOf, type LakeView } from './views.ts'

const READ_ONLY_HINT =
  'The lake is read-only here: one SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.'

/** What is needed to judge a statement. */
export interface StatementContext {
  readonly duckdb: DuckDbModule
  readonly connection: DuckDBConnection
  readonly views: readonly LakeView[]
}

/**
 * `sql` prepared, after DuckDB's own parser has found that it is exactly one statement that reads.
 *
 * @throws {UsageError} when it is not, or when DuckDB refuses it, with DuckDB's words and the place in the text
 */
export async function prepareRead(context: StatementContext, sql: string): Promise<DuckDBPreparedStatement> {
  const prepared = await prepareOne(context, sql)
  const { StatementType } = context.duckdb
  const kind = prepared.statementType
  if (kind === StatementType.SELECT) return prepared
  if (kind === StatementType.EXPLAIN) {
    // EXPLAIN ANALYZE carries its statement out, and DuckDB tells the kind of the outer one only
    await prepareRead(context, withoutExplain(sql))
    return prepared
  }
  throw new UsageError(`this is not allowed here: ${StatementType[kind] ?? 'a foreign statement'}`, {
    hint: READ_ONLY_HINT,
  })
}

async function prepareOne(context: StatementContext, sql: string): Promise<DuckDBPreparedStatement> {
  if (NOTHING.test(sql)) throw new UsageError('the query is empty', { hint: READ_ONLY_HINT })
  try {
    const statements = await context.connection.extractStatements(sql)
    if (statements.count === 1) return await statements.prepare(0)
    throw new UsageError(`${statements.count} statements were given, one is allowed`, {
      hint: READ_ONLY_HINT,
    })
  } catch (error) {
    throw sqlError(context, sql, error)
  }
}

/** Spaces, comments and semicolons only. A comment that nests others is left for DuckDB to refuse. */
const NOTHING = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*(?:(?!\*\/)[\s\S])*\*\/)*$/

/**
 * An EXPLAIN up to its statement. No comment is taken: where DuckDB ends one (it nests them, and a carriage return
 * ends a line) another statement could hide from this pattern.
 */
const EXPLAIN = /^[ \t\r\n]*EXPLAIN[ \t\r\n]+(?:ANALY[ZS]E\b|\([\w ,\t\r\n]*\))?/i

/** The statement that an EXPLAIN explains. */
function withoutExplain(sql: string): string {
  if (EXPLAIN.test(sql)) return sql.replace(EXPLAIN, '')
  throw new UsageError('an EXPLAIN is allowed only without comments before its statement', {
    hint: READ_ONLY_HINT,
  })
}

/**
 * `error` of DuckDB as a {@link UsageError}, with the list of views where a table is unknown; as an
 * {@link IntegrityError} where a file of the lake cannot be read.
 */
export function sqlError({ connection, views }: StatementContext, sql: string, error: unknown): unknown {
  if (error instanceof UsageError) return error
  const [firstLine = ''] = messageOf(error).split('\n')
  const damaged = views.flatMap(filesOf).find((file) => firstLine.includes(file))
  if (damaged !== undefined) return readError(error, [damaged])
  const names = views.map(({ dataset }) => dataset.name)
  const hint = namesUnknownTable(connection, sql, names) ? `The lake has: ${names.join(', ')}.` : undefined
  return new UsageError(explained(messageOf(error)), {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}

function namesUnknownTable(connection: DuckDBConnection, sql: string, names: readonly string[]): boolean {
  const known = new Set(names.map((name) => name.toLowerCase()))
  try {
    return connection.getTableNames(sql, false).some((name) => !known.has(name.toLowerCase()))
  } catch {
    return false // it does not parse: DuckDB's message says where
  }
}

/** DuckDB's message without what is of no use to a person at this prompt. */
function explained(message: string): string {
  const text = message.replace(/^Failed to extract statements: |\nDid you mean "pg_[^"]*"\?/g, '').trimEnd()
  return /file system operations are disabled|configuration has been locked/.test(text)
    ? `only the files of the lake can be read, and nothing can be set (${text.split('\n')[0]})`
    : text
}
