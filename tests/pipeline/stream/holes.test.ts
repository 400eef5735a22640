import { describe, expect, test } from 'vitest'
import { XNYS } from '../../../src/market/calendar/xnys.ts'
import { channelOf } from '../../../src/pipeline/stream/channels.ts'
import { Expectation } from '../../../src/pipeline/stream/expectation.ts'
import { ChannelWatch } from '../../../src/pipeline/stream/holes.ts'

const SESSION = XNYS.on('2025-06-10')!
const MINUTE = 60_000
/** Instant of a New York wall time (summer) of the session. */
const at = (time: string): number => Date.parse(`2025-06-10T${time}:00-04:00`)

const watch = () => new ChannelWatch(channelOf('AM', 'stocks'), SESSION)

/** Minute bars from `from` (inclusive) to `to` (exclusive). */
function see(watched: ChannelWatch, from: string, to: string): void {
  for (let ms = at(from); ms < at(to); ms += MINUTE) watched.saw(ms, ms + MINUTE)
}

describe('a channel that is received without a break', () => {
  test('has no holes when it began before the open', () => {
    const watched = watch()
    watched.begin('start', at('03:59'))
    see(watched, '04:00', '20:00')
    watched.finish(at('20:01'))
    expect(watched.holes).toEqual([])
  })

  test('has a hole from the open on when it began in the middle', () => {
    const watched = watch()
    watched.begin('start', at('10:00'))
    see(watched, '10:02', '10:10')
    expect(watched.holes).toMatchObject([{ cause: 'start', fromMs: at('04:00'), toMs: at('10:03') }])
  })
})

describe('a connection that ends', () => {
  test('leaves a hole from the newest bar, which may lack others of its minute, to the first one after', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    watched.interrupted('cut', at('10:31'))
    expect(watched.repairable).toEqual([])
    watched.saw(at('10:36'), at('10:37'))
    expect(watched.repairable).toMatchObject([
      { cause: 'cut', fromMs: at('10:29'), toMs: at('10:37'), detectedMs: at('10:31') },
    ])
  })

  test('twice without anything in between is one hole, with the first cause', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    watched.interrupted('kicked', at('10:31'))
    watched.interrupted('cut', at('10:33'))
    watched.saw(at('10:35'), at('10:36'))
    expect(watched.holes).toMatchObject([{ cause: 'kicked' }])
  })

  test('does not take a late bar, sent again, for the end of the hole', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    watched.interrupted('cut', at('10:31'))
    watched.saw(at('10:27'), at('10:33'))
    expect(watched.repairable).toEqual([])
  })

  test('and does not come back leaves a hole until recording ends', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    watched.interrupted('cut', at('10:31'))
    watched.finish(at('11:00'))
    expect(watched.holes).toMatchObject([{ fromMs: at('10:29'), toMs: at('11:00') }])
  })
})

describe('silence', () => {
  test('of two minutes is a hole where every minute so far had a bar', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    watched.saw(at('10:32'), at('10:33'))
    expect(watched.holes).toMatchObject([{ cause: 'quiet', fromMs: at('10:30'), toMs: at('10:32') }])
  })

  test('is asked about less and less where it turns out to be real', () => {
    const watched = watch()
    let asked = 0
    for (let ms = at('16:00'); ms < at('19:00'); ms += 4 * MINUTE) {
      watched.saw(ms, ms + MINUTE)
      for (const hole of watched.repairable) {
        watched.close(hole, ms)
        asked++
      }
    }
    expect(asked).toBeLessThan(3)
    watched.saw(at('19:30'), at('19:31'))
    expect(watched.repairable).toMatchObject([{ cause: 'quiet' }])
  })

  test('that hid bars stays suspicious', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    watched.saw(at('10:33'), at('10:34'))
    watched.holes[0]!.rows = 3
    watched.close(watched.holes[0]!, at('10:35'))
    watched.saw(at('10:35'), at('10:36'))
    expect(watched.holes).toHaveLength(2)
  })

  test('before the open says nothing about regular hours', () => {
    const watched = watch()
    watched.saw(at('09:00'), at('09:01'))
    see(watched, '09:03', '09:04')
    expect(watched.holes).toEqual([])
    watched.saw(at('09:45'), at('09:46'))
    expect(watched.holes).toMatchObject([{ cause: 'quiet', fromMs: at('09:04'), toMs: at('09:45') }])
  })

  test('that lasts is noticed while it lasts, once, and ends with the next bar', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    expect(watched.checkSilence(at('10:31'), 15_000)).toBeUndefined()
    expect(watched.checkSilence(at('10:33'), 15_000)).toMatchObject({ cause: 'quiet', fromMs: at('10:30') })
    expect(watched.checkSilence(at('10:40'), 15_000)).toBeUndefined()
    watched.saw(at('10:41'), at('10:42'))
    expect(watched.repairable).toMatchObject([{ fromMs: at('10:30'), toMs: at('10:42') }])
  })

  test('of a connection that ended is named after its end, and begins with the newest bar', () => {
    const watched = watch()
    see(watched, '09:30', '10:30')
    expect(watched.checkSilence(at('10:40'), 15_000, 'max_connections')).toMatchObject({
      ...{ cause: 'max_connections', fromMs: at('10:29'), toMs: undefined },
    })
  })

  test('after the close is not looked at', () => {
    const watched = watch()
    see(watched, '19:00', '20:00')
    expect(watched.checkSilence(at('20:30'), 15_000)).toBeUndefined()
  })
})

describe('what is to be expected', () => {
  test('of a channel of which nothing was seen yet: four empty minutes may be chance, five are not', () => {
    const expectation = new Expectation(SESSION, channelOf('AM', 'stocks'))
    expect(expectation.isSurprising(at('10:00'), at('10:04'))).toBe(false)
    expect(expectation.isSurprising(at('10:00'), at('10:05'))).toBe(true)
  })

  test('is learnt for regular and extended hours apart', () => {
    const expectation = new Expectation(SESSION, channelOf('AM', 'stocks'))
    for (let ms = at('09:30'); ms < at('16:00'); ms += MINUTE) expectation.noteEvent(ms)
    for (let ms = at('16:10'); ms < at('18:00'); ms += 10 * MINUTE) {
      expectation.noteEmpty(ms - 9 * MINUTE, ms)
      expectation.noteEvent(ms)
    }
    expect(expectation.isSurprising(at('11:00'), at('11:01'))).toBe(true)
    expect(expectation.isSurprising(at('18:00'), at('18:12'))).toBe(false)
  })
})
