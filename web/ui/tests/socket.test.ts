import { expect, it } from 'vitest'
import { delayMs, socketUrl } from '../src/socket'
import { joined } from '../src/list'
import { link, parsePlace } from '../src/place'

it('waits longer each time, never twice the same, at most 15 s', () => {
  expect([0, 1, 2, 20].map((attempt) => delayMs(attempt, 0))).toEqual([200, 400, 800, 7500])
  expect([0, 1, 2, 20].map((attempt) => delayMs(attempt, 1))).toEqual([400, 800, 1600, 15_000])
})

it('opens the socket beside the page, encrypted where the page is', () => {
  expect(socketUrl('/ws', 'http://desk.example:8080/#/appeals')).toBe('ws://desk.example:8080/ws')
  expect(socketUrl('ws://127.0.0.1:9000/ws', 'http://127.0.0.1:9000/')).toBe('ws://127.0.0.1:9000/ws')
  expect(socketUrl('ws://desk.example/ws', 'https://desk.example/')).toBe('wss://desk.example/ws')
  expect(socketUrl('wss://push.example/ws', 'http://desk.example/')).toBe('wss://push.example/ws')
})

it('a re-read top replaces its rows and keeps those further down', () => {
  const id = (row: number) => row
  const further = { items: [9, 8, 7, 6, 5, 4], next: '4' }
  expect(joined({ items: [10, 9, 8, 7], next: '7' }, further, id)).toEqual({ items: [10, 9, 8, 7, 6, 5, 4], next: '4' })
  expect(joined({ items: [3], next: null }, further, id)).toEqual({ items: [3], next: null })
  expect(joined({ items: [10, 9, 8, 7, 6, 5, 4, 3], next: '3' }, further, id)).toEqual({ items: [10, 9, 8, 7, 6, 5, 4, 3], next: '3' })
})

it('a place survives its address', () => {
  const place = parsePlace(link(['appeals', 12], { call: 'main-1763.4/2', to: '', pressed: true, missed: false }))
  expect(place.path).toEqual(['appeals', '12'])
  expect(Object.fromEntries(place.query)).toEqual({ call: 'main-1763.4/2', pressed: '1' })
  expect(parsePlace('#/appeals/%E0%A4%A').path).toEqual(['appeals', '%E0%A4%A'])
})
