import { compareCases, type Figures } from '../harness/child.ts'
import { count, ms, number, times } from '../harness/table.ts'
import { atLeast, type Report, type Setup } from './section.ts'

/** The parts that run per row, each against its peer. */
export async function kernels({ smoke, rounds, body }: Setup): Promise<Report> {
  const params = { body: body.path, runs: smoke ? 2 : 40 }
  const slow = { ...params, runs: smoke ? 1 : 5 }
  const found = await compareCases(rounds, {
    scan: { name: 'scan-to-columns', params },
    parse: { name: 'json-parse', params },
    parseToColumns: { name: 'json-to-columns', params },
    validation: { name: 'validation', params },
    zod: { name: 'zod-per-row', params: slow },
    inOrder: { name: 'dedup-in-order', params },
    repeatedPage: { name: 'dedup-repeated-page', params },
    reversed: { name: 'dedup-reversed', params: slow },
    map: { name: 'dedup-with-map', params: slow },
  })
  const { scan, parse, parseToColumns, validation, zod, inOrder, repeatedPage, reversed, map } = found
  const speed = ({ warmMs }: Figures): string => `${number(body.bytes / 1000 / warmMs!)} MB/s`
  const reading = (label: string, one: Figures): string[] => [
    label,
    ms(one['warmMs']!),
    speed(one),
    times(one['warmMs']! / scan['warmMs']!),
  ]
  const working = (label: string, one: Figures, peer: Figures): string[] => [
    label,
    `${count(one['rowsPerSecond']! / 1000)} k`,
    times(one['rowsPerSecond']! / peer['rowsPerSecond']!),
  ]
  return {
    tables: [
      {
        title: 'Reading the body',
        head: ['', 'warm', 'speed', 'time to ours'],
        rows: [
          reading('scanner: bytes to columns', scan),
          reading('JSON.parse of a string: objects', parse),
          reading('bytes, JSON.parse, objects, columns', parseToColumns),
        ],
      },
      {
        title: 'Rows per second',
        head: ['', 'rows/s', 'to the peer'],
        rows: [
          working('validate: all rules, columns', validation, zod),
          working('  zod per row object', zod, zod),
          working('dedup: in order, no repeats', inOrder, map),
          working('dedup: a page sent twice', repeatedPage, map),
          working('dedup: reversed, each row twice', reversed, map),
          working('  Map with a text key per row object', map, map),
        ],
      },
    ],
    figures: found,
    targets: [atLeast('validation', validation['rowsPerSecond']! / 1e6, 10, 'M bars/s')],
  }
}
