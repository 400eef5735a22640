import { describe, expect, test } from 'vitest'
import { simulate } from '../support.ts'
import { connect, follow } from './support.ts'

const simulator = await simulate()

describe('a connection', () => {
  test('is greeted, authenticated and subscribed in the words of the vendor', async () => {
    const client = connect(simulator)
    await client.status('connected')
    client.send('auth', 'any')
    await client.status('auth_success')
    client.send('subscribe', 'AM.SPY, A.SPY,T.SPY,Q.BRK.B')
    await client.status('success', 4)
    client.send('unsubscribe', 'T.SPY')
    await client.status('success', 5)
    expect(client.frames).toEqual([
      '[{"ev":"status","status":"connected","message":"Connected Successfully"}]',
      '[{"ev":"status","status":"auth_success","message":"authenticated"}]',
      JSON.stringify(
        ['AM.SPY', 'A.SPY', 'T.SPY', 'Q.BRK.B'].map((param) => ({
          ev: 'status',
          status: 'success',
          message: `subscribed to: ${param}`,
        })),
      ),
      '[{"ev":"status","status":"success","message":"unsubscribed to: T.SPY"}]',
    ])
    client.socket.close()
  })

  test('may not subscribe before it is authenticated', async () => {
    const client = connect(simulator)
    await client.status('connected')
    client.send('subscribe', 'AM.SPY')
    await client.status('auth_required')
    client.send('auth', 'any')
    await client.status('auth_success')
    client.send('subscribe', 'AM.SPY')
    await client.status('success')
    client.socket.close()
  })

  test('is told which parameters were refused, while the others succeed', async () => {
    const developer = await simulate({ plan: 'developer' })
    const client = await follow(developer, 'AM.SPY,Q.SPY,XY.SPY,FMV.SPY,SPY,T.SPY', '/delayed/stocks')
    await client.status('success', 2)
    expect(client.statuses.slice(2).map(({ status, message }) => `${status} ${message}`)).toEqual([
      'success subscribed to: AM.SPY',
      'error not authorized to subscribe to: Q.SPY',
      'error unknown channel: XY.SPY',
      'error not authorized to subscribe to: FMV.SPY',
      'error unknown channel: SPY',
      'success subscribed to: T.SPY',
    ])
  })

  test('gets no reply to a subscription that it has', async () => {
    const client = await follow(simulator, 'AM.SPY')
    client.send('subscribe', 'AM.SPY')
    client.send('subscribe', 'AM.SPY,AM.QQQ')
    await client.status('success', 2)
    expect(client.statuses.slice(2).map(({ message }) => message)).toEqual([
      'subscribed to: AM.SPY',
      'subscribed to: AM.QQQ',
    ])
    client.socket.close()
  })

  test.each([
    ['no JSON', 'hello'],
    ['JSON of another kind', '[1]'],
    ['null', 'null'],
    ['an unknown action', '{"action":"dance"}'],
  ])('survives %s', async (_what, text) => {
    const client = connect(simulator)
    await client.status('connected')
    client.socket.send(text)
    await client.status('error')
    client.send('auth', 'any')
    await client.status('auth_success')
    client.socket.close()
  })

  test('has its pings answered', async () => {
    const client = connect(simulator)
    await client.status('connected')
    client.socket.ping('are you there')
    const answer = await new Promise<Buffer>((resolve) => client.socket.once('pong', resolve))
    expect(answer.toString()).toBe('are you there')
    client.socket.close()
  })

  test('takes at most 1,000 contracts of option quotes, and not all of them', async () => {
    const names = Array.from({ length: 1001 }, (_, i) => `Q.O:SPY250620C00${String(i).padStart(6, '0')}`)
    const client = await follow(simulator, ['Q.*', ...names].join(','), '/options')
    await client.status('success', 1000)
    const errors = client.statuses.filter(({ status }) => status === 'error')
    expect(errors.map(({ message }) => message)).toEqual([
      'quotes of all options cannot be had: Q.*',
      `at most 1000 option contracts per connection: ${names[1000]}`,
    ])
    client.socket.close()
  })
})

describe('a key', () => {
  const failing = async (options: Parameters<typeof simulate>[0], path: string, key: string) => {
    const client = connect(await simulate(options), path)
    await client.status('connected')
    client.send('auth', key)
    return (await client.status('auth_failed')).message
  }

  test('that is wrong or empty fails', async () => {
    expect(await failing({ keys: ['right'] }, '/stocks', 'wrong')).toBe('authentication failed')
    expect(await failing({}, '/stocks', '')).toBe('authentication failed')
  })

  test('without real-time data fails on the real-time host just like a wrong one', async () => {
    expect(await failing({ plan: 'starter' }, '/stocks', 'k')).toBe('authentication failed')
  })

  test('without websocket access is told to upgrade', async () => {
    expect(await failing({ plan: 'free' }, '/delayed/stocks', 'k')).toBe(
      "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade.",
    )
  })

  test('that never comes ends the connection', async () => {
    const client = connect(await simulate({ authTimeoutMs: 20 }))
    expect((await client.status('auth_timeout')).message).toBe('No authentication request received.')
    expect(await client.closed).toBe(1008)
  })
})

describe('a path', () => {
  test.each(['/', '/bonds', '/stocks/more', '/delayed'])('%s is not a cluster', async (path) => {
    const client = connect(simulator, path)
    const answered = new Promise((resolve) => {
      client.socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
    })
    expect(await answered).toBe(404)
  })

  test.each(['/options', '/indices', '/delayed/indices', '/stocks/'])('%s is one', async (path) => {
    const client = connect(simulator, path)
    await client.status('connected')
    client.socket.close()
  })
})
