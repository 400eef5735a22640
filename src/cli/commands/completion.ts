import type { Command as TabCommand, RootCommand } from '@bomb.sh/tab'
import { Argument, type Command, type Option } from 'commander'
import type { Cli } from '../cli.ts'
import { examples } from '../program-text.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** Works without the package bash-completion, which tab's own script needs. Bash cuts `--flag=value` into three words. */
const BASH_SCRIPT = `# bash completion for tapelake
__tapelake_complete() {
  local word words=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    [[ $word == '=' ]] || words+=("$word")
  done
  [[ \${COMP_WORDS[COMP_CWORD]} == '=' ]] && words+=('')
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    [[ $word == :* ]] || COMPREPLY+=("$word")
  done < <(tapelake complete -- "\${words[@]}" 2>/dev/null)
}
complete -o default -F __tapelake_complete tapelake`

/** Values of options, by their long name. */
type Values = Readonly<Record<string, readonly string[]>>

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('completion')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .description('print a completion script for a shell')
    .action(
      cli.bareAction(async ({ out }, _options, shell: string) => {
        if (shell === 'bash') return out.line(BASH_SCRIPT)
        const { default: tab } = await import('@bomb.sh/tab')
        tab.setup(program.name(), program.name(), shell)
      }),
    )
  examples(
    command,
    ['completion bash >> ~/.bashrc', 'bash'],
    ['completion zsh > "${fpath[1]}/_tapelake"', 'zsh'],
    ['completion fish > ~/.config/fish/completions/tapelake.fish', 'fish'],
  )
  // What the scripts call at each Tab: complete -- <words so far>
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(
      cli.bareAction(async (_context, _options, words: readonly string[]) => {
        const { default: tab } = await import('@bomb.sh/tab')
        describe(program, tab, await knownValues())
        tab.parse([...words])
      }),
    )
}

async function knownValues(): Promise<Values> {
  const { DATASETS } = await import('../../market/datasets/index.ts')
  const { CALENDARS } = await import('../../market/calendar/index.ts')
  return {
    dataset: DATASETS.map(({ name }) => name),
    exchange: CALENDARS.map(({ code }) => code),
  }
}

/** Tells `tab` what commander knows. */
function describe(program: Command, tab: RootCommand, values: Values): void {
  addOptions(tab, program.options, values)
  const walk = (command: Command, path: string) => {
    for (const inner of command.commands) {
      if (inner.name() === 'complete') continue
      const innerPath = `${path} ${inner.name()}`.trim()
      const target = tab.command(innerPath, inner.description())
      addOptions(target, [...inner.options, ...program.options], values)
      for (const argument of inner.registeredArguments) {
        const choices = argument.argChoices ?? (inner.name() === 'datasets' ? values['dataset'] : undefined)
        target.argument(argument.name(), offer(choices ?? []), argument.variadic)
      }
      walk(inner, innerPath)
    }
  }
  walk(program, '')
}

function addOptions(target: TabCommand | RootCommand, options: readonly Option[], values: Values): void {
  for (const option of options) {
    const name = option.long?.slice(2)
    if (name === undefined) continue
    const alias = option.short?.slice(1)
    const takesValue = option.required || option.optional
    if (takesValue)
      target.option(name, option.description, offer(option.argChoices ?? values[name] ?? []), alias)
    else target.option(name, option.description, alias)
  }
}

const offer = (choices: readonly string[]) => (complete: (value: string, description: string) => void) => {
  for (const choice of choices) complete(choice, '')
}
