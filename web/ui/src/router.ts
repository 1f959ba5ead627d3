/** Where the screen is: the part of the address after `#`, so that any server of files will do. */
import { computed, signal } from '@preact/signals'

export interface Place {
  /** `/appeals/12` → ['appeals', '12'] */
  path: string[]
  query: URLSearchParams
}

const hash = signal(location.hash)
const visits = signal(0)

addEventListener('hashchange', () => {
  hash.value = location.hash
})
// A click on a link to where one already is must still lead there: the browser tells nobody of it.
addEventListener('click', (event) => {
  const anchor = event.target instanceof Element ? event.target.closest('a[href^="#/"]') : null
  if (anchor?.getAttribute('href') === location.hash) visits.value += 1
})

export const place = computed<Place & { visit: number }>(() => ({ ...parsePlace(hash.value), visit: visits.value }))

export function parsePlace(text: string): Place {
  const [path = '', query = ''] = text.replace(/^#/, '').split('?', 2)
  return { path: path.split('/').filter(Boolean).map(decodePart), query: new URLSearchParams(query) }
}

export type Values = Record<string, string | number | boolean | null | undefined>

/** Return the link to a page of ours: `link(['appeals', 12], { call })`. Empty values are left out. */
export function link(path: (string | number)[], query: Values = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== '' && value != null && value !== false)
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, value === true ? '1' : String(value)])).toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`
}

/** Change what the page shows without a new entry in the browser's history (filters as one types). */
export function refine(path: (string | number)[], query: Values): void {
  history.replaceState(null, '', link(path, query))
  hash.value = location.hash
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
