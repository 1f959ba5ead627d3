/** A browser's name for itself, in two words: `Firefox 140, Linux`. Pure. */

// The order counts: Edge and Opera also call themselves Chrome, Chrome also Safari.
const BROWSERS: readonly [string, RegExp][] = [
  ['Edge', /Edg\w*\/(\d+)/],
  ['Opera', /OPR\/(\d+)/],
  ['Yandex', /YaBrowser\/(\d+)/],
  ['Firefox', /(?:Firefox|FxiOS)\/(\d+)/],
  ['Chrome', /(?:Chrome|CriOS)\/(\d+)/],
  ['Safari', /Version\/(\d+).*Safari/],
]
const SYSTEMS: readonly [string, RegExp][] = [
  ['Android', /Android/],
  ['iOS', /iPhone|iPad/],
  ['Windows', /Windows/],
  ['macOS', /Mac OS X/],
  ['Linux', /Linux/],
]

/** Return the name of the browser and its system; of a program that is none, what it calls itself. */
export function agentName(agent: string): string {
  for (const [name, pattern] of BROWSERS) {
    const found = pattern.exec(agent)
    if (found) {
      const system = SYSTEMS.find(([, one]) => one.test(agent))?.[0]
      return [`${name} ${found[1]}`, system].filter(Boolean).join(', ')
    }
  }
  return agent
}
