import { expect, it } from 'vitest'
import { en } from '../src/locales/en'
import { ru } from '../src/locales/ru'

const SOURCES = import.meta.glob<string>(['../src/**/*.{ts,tsx}', '!../src/locales/*'], { query: '?raw', import: 'default', eager: true })

const stem = (key: string) => key.replace(/_(one|few|many|other)$/, '')
const stems = (texts: object) => [...new Set(Object.keys(texts).map(stem))].sort()
const forms = (texts: object, word: string) => Object.keys(texts).filter((key) => stem(key) === word && key !== word)
const values = (text: string) => [...text.matchAll(/{{(\w+)}}/g)].map((match) => match[1]).sort()

it('both languages have the same texts, none empty', () => {
  expect(stems(en)).toEqual(stems(ru))
  for (const text of [...Object.values(ru), ...Object.values(en)]) expect(text?.trim()).not.toBe('')
})

it('each language has its own plural forms', () => {
  for (const [language, texts] of [['ru', ru], ['en', en]] as const) {
    const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories
    for (const word of stems(texts).filter((one) => forms(texts, one).length > 0)) {
      expect(forms(texts, word).sort()).toEqual(needed.map((form) => `${word}_${form}`).sort())
    }
  }
})

it('both languages name the same values', () => {
  for (const [key, text] of Object.entries(ru)) {
    const other = (en as Record<string, string>)[key]
    if (other !== undefined) expect(values(other), key).toEqual(values(text))
  }
})

it('the English screen has no Russian word', () => {
  for (const [key, text] of Object.entries(en)) expect(text, key).not.toMatch(/[а-яё]/i)
})

it('each text is used: by its key, or by the group of a code of the server', () => {
  const source = Object.values(SOURCES).join('\n')
  const groups = [...source.matchAll(/label\('([\w.]+)'/g), ...source.matchAll(/`([\w.]+)\.\$\{/g), ...source.matchAll(/`([\w]+)\.\$\{\w+\}_only/g)].map((match) => match[1])
  for (const key of stems(ru)) {
    const group = groups.some((one) => key.startsWith(`${one}.`))
    expect(group || source.includes(`'${key}'`), key).toBe(true)
  }
})
