/** A list read by keyset pages that stays live: "more" reads further, a revision re-reads what is shown. */
import { useState } from 'preact/hooks'
import { useLoad, type Loading } from './load'
import type { Page } from './types'

export const PAGE_ROWS = 50
const REREAD_ROWS = 100

export interface List<Row> extends Loading<Page<Row>> {
  more: () => Promise<void>
  moreError: unknown
}

type Reading<Row> = (paging: { limit: number; cursor?: string }, signal?: AbortSignal) => Promise<Page<Row>>

/** `id` tells rows apart: what a re-read brings is put in place of the same rows read before. */
export function useList<Row>(read: Reading<Row>, id: (row: Row) => string | number, key: string, revision: number | string): List<Row> {
  const [extra, setExtra] = useState<{ key: string; page: Page<Row> | null; error: unknown }>({ key, page: null, error: null })
  const own = extra.key === key ? extra : { key, page: null, error: null }
  const top = useLoad((signal) => read({ limit: own.page ? REREAD_ROWS : PAGE_ROWS }, signal), key, revision)
  const value = top.value && own.page ? joined(top.value, own.page, id) : top.value

  const more = async () => {
    if (!value?.next) return
    try {
      const page = await read({ limit: PAGE_ROWS, cursor: value.next })
      setExtra({ key, page: { items: [...value.items, ...page.items], next: page.next }, error: null })
    } catch (error) {
      setExtra({ ...own, error })
    }
  }
  return { ...top, value, more, moreError: own.error }
}

/** Fresh rows first, then those further down that were read before; the further cursor goes on. */
export function joined<Row>(top: Page<Row>, further: Page<Row>, id: (row: Row) => string | number): Page<Row> {
  const fresh = new Set(top.items.map(id))
  const lastFresh = top.items.at(-1)
  if (!lastFresh || top.next === null) return top
  const at = further.items.findIndex((row) => id(row) === id(lastFresh))
  const below = (at < 0 ? further.items : further.items.slice(at + 1)).filter((row) => !fresh.has(id(row)))
  return below.length > 0 ? { items: [...top.items, ...below], next: further.next } : top
}
