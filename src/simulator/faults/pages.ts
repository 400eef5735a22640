import type { Answer } from '../call.ts'
import { MARK, nextUrl, unpackCursor } from '../params.ts'
import { editPage, type Page, readPage, rowsOf, setRows } from './document.ts'
import type { FaultContext, FaultKind } from './kind.ts'

const AGAIN = `${MARK}again`
const SWAPPED = `${MARK}swapped`
const EMPTY = `${MARK}empty`

/** Keeps the promises of earlier pages: a `next_url` that a fault marked is answered as marked. */
export function honourMarks(answer: Answer, context: FaultContext): Answer {
  const marks = unpackCursor(context.target.searchParams)
  if (marks.has(EMPTY)) {
    return (
      editPage(answer, (page) => {
        setRows(page, [])
        return delete page.next_url
      }) ?? answer
    )
  }
  if (!marks.has(SWAPPED)) return answer
  return (
    editPage(answer, (page) => {
      const after = page.next_url === undefined ? undefined : readPage(context.answer(new URL(page.next_url)))
      return link(page, after?.next_url)
    }) ?? answer
  )
}

const isMarked = ({ target }: FaultContext): boolean =>
  [...unpackCursor(target.searchParams).keys()].some((name) => name.startsWith(MARK))

/** This very request as a `next_url`, with a mark. */
function again({ target }: FaultContext, mark?: string): string {
  const params = unpackCursor(target.searchParams)
  if (mark !== undefined) params.set(mark, '1')
  return nextUrl({ origin: target.origin }, target.pathname, params)
}

function link(page: Page, url: string | undefined): boolean {
  if (url === undefined) delete page.next_url
  else page.next_url = url
  return true
}

/** Faults of paging. */
export const PAGE_KINDS: readonly FaultKind[] = [
  {
    name: 'duplicate-page',
    does: 'serves a page twice; with then=loop its next_url leads to itself for ever',
    options: {
      then: { type: ['advance', 'loop'], does: 'whether the second copy leads on', fallback: 'advance' },
    },
    edit: ({ then }, answer, context) =>
      editPage(answer, (page) => {
        if (then === 'loop') return rowsOf(page).length > 0 && link(page, again(context))
        return page.next_url !== undefined && !isMarked(context) && link(page, again(context, AGAIN))
      }),
  },
  {
    name: 'reorder-pages',
    does: 'serves the following page first, then this one, then what comes after both',
    options: {},
    edit: (_options, answer, context) => {
      const next = readPage(answer)?.next_url
      if (next === undefined || isMarked(context)) return undefined
      return editPage(context.answer(new URL(next)), (page) => link(page, again(context, SWAPPED)))
    },
  },
  {
    name: 'empty-last-page',
    does: 'gives the last page a next_url that leads to a page without results',
    options: {},
    edit: (_options, answer, context) =>
      editPage(
        answer,
        (page) =>
          page.next_url === undefined &&
          rowsOf(page).length > 0 &&
          !isMarked(context) &&
          link(page, again(context, EMPTY)),
      ),
  },
  {
    name: 'wrong-next-host',
    does: 'names another host in next_url; whoever follows it blindly leaks the key',
    options: { host: { type: 'text', does: 'the other host', fallback: 'elsewhere.invalid' } },
    edit: ({ host }, answer) =>
      editPage(answer, (page) => {
        if (page.next_url === undefined) return false
        const { pathname, search } = new URL(page.next_url)
        return link(page, `https://${host}${pathname}${search}`)
      }),
  },
  {
    name: 'no-results',
    does: 'answers 200 without results, counts 0 and no next_url',
    options: {},
    edit: (_options, answer) =>
      editPage(answer, (page) => {
        if (page.results === undefined) return false
        setRows(page, [])
        return link(page, undefined)
      }),
  },
]
