import { throwIfAborted } from '../../core/abort.ts'
import { MalformedError } from '../../core/errors.ts'
import type { PageFetcher } from './fetcher.ts'
import type { Answer } from './transport.ts'

/** One page of a paged answer. */
export interface Paged {
  /** Where the next page is, as the vendor writes it; absent on the last. */
  readonly nextUrl: string | undefined
  /** Tells one page from another by its rows; undefined where it has none. Asked for only where there are several. */
  readonly fingerprint?: () => string | undefined
}

/** A page may come twice (vendors have sent duplicates); after so many the vendor is going in circles. */
const REPEATS_BORNE = 3

/** The last page may be empty, and one before it; so many in a row lead nowhere. */
const EMPTY_BORNE = 10

/**
 * The pages that start at `path`, in order, each fetched when it is asked for and retried by itself.
 *
 * @throws {MalformedError} when `next_url` leads to a page already read, when pages repeat under new cursors or
 *   come without rows one after the other, or when it is no URL
 * @throws what the fetcher throws
 */
export async function* followPages<P extends Paged>(
  fetcher: PageFetcher,
  path: string,
  read: (answer: Answer, path: string) => P,
  signal: AbortSignal,
): AsyncGenerator<P> {
  const visited = new Set<string>()
  const seen = new Set<string>()
  let repeats = 0
  let empty = 0
  for (let next: string | undefined = path; next !== undefined;) {
    const here: string = next
    throwIfAborted(signal)
    visited.add(here)
    const page = await fetcher.get(here, (answer) => read(answer, here), signal)
    const isOnly = visited.size === 1 && page.nextUrl === undefined
    const fingerprint = isOnly ? undefined : page.fingerprint?.()
    if (fingerprint !== undefined && seen.has(fingerprint) && ++repeats > REPEATS_BORNE) {
      throw new MalformedError('next_url does not advance: the same pages come again and again', {
        request: here,
      })
    }
    if (fingerprint !== undefined) seen.add(fingerprint)
    empty = page.fingerprint !== undefined && fingerprint === undefined ? empty + 1 : 0
    yield page
    next = nextPath(fetcher, page.nextUrl, here)
    if (next !== undefined && empty > EMPTY_BORNE)
      throw new MalformedError('next_url does not advance: page after page has no rows', { request: here })
    if (next !== undefined && visited.has(next))
      throw new MalformedError(`next_url does not advance: it leads back to ${next}`, { request: here })
  }
}

function nextPath(fetcher: PageFetcher, nextUrl: string | undefined, here: string): string | undefined {
  if (nextUrl === undefined || nextUrl === '') return undefined
  try {
    return fetcher.rebase(nextUrl)
  } catch {
    throw new MalformedError('next_url is not a URL', { request: here })
  }
}
