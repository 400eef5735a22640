import { join } from 'node:path'
import { medians, runNode, TAPELAKE, type Figures } from '../harness/child.ts'
import { ms, times } from '../harness/table.ts'
import { atMost, type Report, type Setup } from './section.ts'

/** How long a person waits for the program to come up. */
export async function startUp({ smoke, work }: Setup): Promise<Report> {
  const dataDir = join(work, 'empty')
  const commands: Readonly<Record<string, readonly string[]>> = {
    'node -e 0': ['-e', '0'],
    'tapelake --version': [TAPELAKE, '--version'],
    'tapelake --help': [TAPELAKE, '--help'],
    'tapelake status (empty lake)': [TAPELAKE, 'status', '--data-dir', dataDir],
  }
  const runs: Record<string, Figures[]> = {}
  for (let round = 0; round < (smoke ? 2 : 15); round++) {
    for (const [label, args] of Object.entries(commands)) {
      const { wallMs } = await runNode(args)
      runs[label] = [...(runs[label] ?? []), { wallMs }]
    }
  }
  const found = Object.fromEntries(Object.entries(runs).map(([label, each]) => [label, medians(each)]))
  const wall = (label: string): number => found[label]!['wallMs']!
  return {
    tables: [
      {
        title: 'Start-up',
        head: ['', 'wall', 'above node'],
        rows: Object.keys(commands).map((label) => [
          label,
          ms(wall(label)),
          label === 'node -e 0'
            ? ''
            : `${ms(wall(label) - wall('node -e 0'))} (${times(wall(label) / wall('node -e 0'))})`,
        ]),
      },
    ],
    figures: found,
    targets: [atMost('--help', wall('tapelake --help'), 150, 'ms')],
  }
}
