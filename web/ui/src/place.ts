/** Addresses of the screen's pages: the part after `#`. Pure. */

export interface Place {
  /** `/appeals/12` → ['appeals', '12'] */
  path: string[]
  query: URLSearchParams
}

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

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
