import type { Command } from 'commander'
import { seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import type { Cli } from '../cli.ts'
import type { BareContext } from '../context.ts'
import { examples } from '../program-text.ts'
import { datasetCalled } from '../series-flags.ts'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('datasets')
    .argument('[name]', 'show the columns of this dataset')
    .description('the datasets that can be recorded: columns, units, meaning')
    .option('--markdown', 'as Markdown, for documentation', false)
    .action(cli.bareAction(datasets))
  examples(
    command,
    ['datasets', 'all datasets, a line each'],
    ['datasets equity_bars_1m', 'columns of one of them'],
    ['datasets --json', 'the full definitions'],
  )
}

async function datasets(
  { out, flags }: BareContext,
  { markdown }: { readonly markdown: boolean },
  name: string | undefined,
): Promise<void> {
  const { DATASETS } = await import('../../market/datasets/index.ts')
  const chosen = name === undefined ? DATASETS : [datasetCalled(name, DATASETS)]
  if (flags.json) return out.json('tapelake.datasets', 1, { datasets: chosen })
  if (markdown) return out.line(chosen.map(markdownOf).join('\n'))
  if (name === undefined) {
    return out.table(
      ['dataset', 'one row is'],
      chosen.map((dataset) => [dataset.name, dataset.description]),
    )
  }
  for (const dataset of chosen) {
    out.line(out.style('bold', dataset.name))
    out.line(dataset.description)
    out.line(`key: ${dataset.key.join(', ')}; one file per ${fileOf(dataset)}`)
    out.line()
    await out.table(['column', 'type', 'null', 'unit', 'meaning'], dataset.columns.map(columnRow))
  }
}

function columnRow({
  name,
  type,
  nullable,
  unit,
  description,
}: DatasetDefinition['columns'][number]): string[] {
  return [name, type, nullable ? 'yes' : '', unit ?? '', description]
}

function fileOf(dataset: DatasetDefinition): string {
  const key = seriesKeyOf(dataset)
  return dataset.partition === 'none' ? key : `${key} and ${dataset.partition}`
}

function markdownOf(dataset: DatasetDefinition): string {
  const { name, version, description, key } = dataset
  const cell = (text: string) => text.replaceAll('|', '\\|')
  const rows = dataset.columns.map((column) => {
    const [title = '', ...rest] = columnRow(column)
    return `| \`${title}\` | ${rest.map(cell).join(' | ')} |`
  })
  return [
    `## ${name}`,
    '',
    description,
    '',
    `Version ${version}. Key: ${key.map((column) => `\`${column}\``).join(', ')}. One file per ${fileOf(dataset)}.`,
    '',
    '| column | type | null | unit | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
