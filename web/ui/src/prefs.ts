/** What this browser remembers for its person. Storage may be forbidden or full: then nothing is kept. */

type Name = 'language' | 'theme' | 'sound' | 'sounded' | 'seen'

const key = (name: Name): string => `press3.${name}`

export function recall(name: Name): string | null {
  try {
    return localStorage.getItem(key(name))
  } catch {
    return null
  }
}

export function remember(name: Name, value: string): void {
  try {
    localStorage.setItem(key(name), value)
  } catch {
    // Private mode or quota: the choice lasts until the tab is closed.
  }
}

/** Call `changed` when another tab changes `name`. */
export function onOtherTab(name: Name, changed: (value: string | null) => void): void {
  addEventListener('storage', (event) => {
    if (event.key === key(name)) changed(event.newValue)
  })
}
