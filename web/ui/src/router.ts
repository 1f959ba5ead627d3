/** Where the screen is: the part of the address after `#`, so that any server of files will do. */
import { computed, signal } from '@preact/signals'
import { link, parsePlace, type Place, type Values } from './place'

export { link } from './place'

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

/** Change what the page shows without a new entry in the browser's history (filters as one types). */
export function refine(path: (string | number)[], query: Values): void {
  history.replaceState(null, '', link(path, query))
  hash.value = location.hash
}
