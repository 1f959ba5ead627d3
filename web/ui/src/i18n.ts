/** Words of the screen in the chosen language. Server texts (names, reasons) are shown as they come. */
import { signal } from '@preact/signals'
import i18next from 'i18next'
import { en } from './locales/en'
import { ru } from './locales/ru'
import { recall, remember } from './prefs'

export type Language = 'ru' | 'en'
type Stem<Key> = Key extends `${infer Word}_${'one' | 'few' | 'many' | 'other'}` ? Word : Key
export type TextKey = Stem<keyof typeof ru>

export const LANGUAGES: readonly Language[] = ['ru', 'en']
/** What this browser's person chose; else what the server wrote into the page ([service] language). */
const first = recall('language') ?? document.documentElement.lang
export const language = signal<Language>(first === 'en' ? 'en' : 'ru')

void i18next.init({
  lng: language.value,
  initAsync: false,
  fallbackLng: false,
  resources: { ru: { translation: ru }, en: { translation: en } },
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false }, // Preact writes text nodes; escaping here would show entities.
})

/** Return the text for `key`; reading it in a component re-renders that component on a language switch. */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  return i18next.t(key, { lng: language.value, ...values })
}

/** Return the label of a code of the server (`label('outcome', 'busy')`), the code itself when it is new to us. */
export function label(group: string, code: string | null | undefined): string {
  if (!code) return '—'
  const key = `${group}.${code}`
  return key in ru ? t(key as TextKey) : code
}

export function chooseLanguage(chosen: Language): void {
  language.value = chosen
  remember('language', chosen)
}
