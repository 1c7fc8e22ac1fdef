import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { verifyMessage } from 'ethers';
import nacl from 'tweetnacl';
import bs58 from 'bs58';
import { runCommandLine } from '@keystead/cli/command-line';
import { solanaTransfer } from '@keystead/cli/chain/solana-transfer';
import { commands } from '@keystead/cli/commands';
import { readSurroundings } from '@keystead/cli/surroundings';
import { SEPOLIA } from '../chains/anvil.ts';
import { DEVNET } from '../chains/litesvm-rpc.ts';
import { ShellSession } from './shell-session.ts';

const shell = new ShellSession();
after(() => shell.end());

const running = withStack({ chains: true }, async (stack) => {
  Object.assign(shell.variables, {
    API: stack.api,
    DEPLOYMENT: stack.stack.deploymentId,
    KEYSTEAD_HOME: stack.home,
    KEYSTEAD_CREDENTIALS: 'acme.json',
    SEPOLIA,
    DEVNET,
    ANVIL: stack.anvil.url,
    SOLANA: stack.solana.url,
  });
  await shell.play(`
    $ keystead init --name Acme --api $API --deployment $DEPLOYMENT
    organization <ORGANIZATION:uuid>
    credentials of root: acme.json

    $ keystead wallet create --name treasury --tag cold
    <WALLET:uuid>  treasury  (cold)
    Solana         m/44'/501'/0'/0'     <SOLANA_ADDRESS:solana>
    Ethereum       m/44'/60'/0'/0/0     <ETHEREUM_ADDRESS:ethereum>
    BitcoinSegwit  m/84'/0'/0'/0        bc1q…
    Sui            m/44'/784'/0'/0'/0'  0x<hash>
  `);
});

describe('keystead', () => {
  test('shows organization, wallets and accounts', () =>
    shell.play(`
      $ stat -c %a acme.json
      600

      $ keystead org show
      <uuid>  Acme
      root  ROOT
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead wallet list
      <uuid>  treasury  cold

      $ keystead wallet accounts --wallet $WALLET --chain ethereum --account 1
      Ethereum  m/44'/60'/0'/0/1  <ethereum>

      $ keystead wallet create --name again --tag cold --reuse-tag
      <AGAIN:uuid>  treasury  (cold)
      Solana         m/44'/501'/0'/0'     <solana>
      Ethereum       m/44'/60'/0'/0/0     <ethereum>
      BitcoinSegwit  m/84'/0'/0'/0        bc1q…
      Sui            m/44'/784'/0'/0'/0'  0x<hash>

      $ test $AGAIN = $WALLET
    `));

  test('signs what other libraries verify', async () => {
    await shell.play(`
      $ keystead sign message hello --wallet $WALLET --json
      {"address":"<solana>","publicKey":"<solana>","signature":"<SIGNATURE:key>"}

      $ echo -n hello | keystead sign message --wallet $WALLET --chain ethereum
      <PERSONAL:key>
    `);
    const { SIGNATURE, SOLANA_ADDRESS, PERSONAL, ETHEREUM_ADDRESS } = shell.variables;
    const signature = Buffer.from(SIGNATURE!, 'base64url');
    assert.ok(nacl.sign.detached.verify(Buffer.from('hello'), signature, bs58.decode(SOLANA_ADDRESS!)));
    const personal = `0x${Buffer.from(PERSONAL!, 'base64url').toString('hex')}`;
    assert.equal(verifyMessage('hello', personal), ETHEREUM_ADDRESS);
  });

  test('moves ether with send', async () => {
    const to = '0x000000000000000000000000000000000000bEEF';
    await running.anvil.fund(shell.variables.ETHEREUM_ADDRESS!, 10n ** 18n);
    await shell.play(`
      $ keystead send --wallet $WALLET --network $SEPOLIA --rpc $ANVIL --to ${to} --value 5000
      0x<TRANSACTION:hash>
    `);
    assert.ok(await running.anvil.mined(`0x${shell.variables.TRANSACTION}`));
    assert.equal(await running.anvil.balance(to), 5000n);
  });

  test('moves lamports with send', async () => {
    const to = bs58.encode(new Uint8Array(32).fill(7));
    running.solana.fund(shell.variables.SOLANA_ADDRESS!, 1_000_000_000n);
    await shell.play(`
      $ KEYSTEAD_RPC_URL=$SOLANA keystead send --wallet $WALLET --network $DEVNET --to ${to} --value 5000000
      <text>
    `);
    assert.equal(running.solana.balance(to), 5_000_000n);
  });

  test('says what the network refused, with exit code 1', () =>
    shell.play(`
      $ keystead send --wallet $WALLET --network $SEPOLIA --rpc $ANVIL --gas 21000 --to 0x000000000000000000000000000000000000bEEF --value 99000000000000000000
      …
      ! error: signed, but the network is not known to have taken it: …
      ! hint: look for the transaction on the chain before making another; …
      [1]
    `));

  test('adds a user with a key of its own, and takes the rights away again', () =>
    shell.play(`
      $ keystead user add bob --policy ALLOW_ALL --key-file bob.json --trait team=ops
      bob  ALLOW_ALL  team=ops
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead sign message hi --wallet $WALLET --credentials bob.json
      <key>

      $ keystead user update bob --policy DENY_ALL
      bob  DENY_ALL  team=ops
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead sign message hi --wallet $WALLET --credentials bob.json
      ! error: DENY_ALL: deny: nothing allows signUtf8Message (policy-denied)
      ! hint: …
      [1]

      $ keystead user remove bob
      bob is removed

      $ keystead sign message hi --wallet $WALLET --credentials bob.json
      ! error: … (authenticator-unknown)
      ! hint: …
      [1]
    `));

  test('registers a key that was made on another machine', async () => {
    await shell.play(`
      $ keystead authenticator prove --key-file laptop.json --user root --organization $ORGANIZATION --deployment $DEPLOYMENT --api $API --algorithm Secp256r1
      --algorithm Secp256r1 --public-key=<PUBLIC_KEY:key> --proof=<PROOF:key>

      # A proof for another user is none for this one.
      $ keystead user add eve --policy ALLOW_ALL --algorithm Secp256r1 --public-key=$PUBLIC_KEY --proof=$PROOF
      ! error: … (possession-proof-invalid)…
      ! hint: …
      [1]

      $ keystead authenticator add --algorithm Secp256r1 --public-key=$PUBLIC_KEY --proof=$PROOF --key-name laptop
      <AUTHENTICATOR:uuid>  laptop  keypair Secp256r1  <key>

      $ keystead sign message hi --wallet $WALLET --credentials laptop.json
      <key>

      $ keystead authenticator update $AUTHENTICATOR --name notebook
      <uuid>  notebook  keypair Secp256r1  <key>

      $ keystead authenticator remove $AUTHENTICATOR
      <uuid> is removed

      $ keystead authenticator list
      root  <uuid>  keystead  keypair Ed25519  <key>
    `);
  });

  test('exports into a private file and imports the same wallet', async () => {
    await shell.play(`
      $ keystead export --wallet $WALLET --out words.txt
      mnemonic of wallet <uuid>: words.txt

      $ wc -w < words.txt
      24

      $ keystead export --wallet $WALLET --out words.txt
      ! error: words.txt is there already
      ! hint: choose another name; nothing was written
      [1]

      # Without a terminal nobody can confirm, and nothing is shown.
      $ keystead export --wallet $WALLET
      ! error: not confirmed, so nothing was exported
      ! hint: name a new file with --out, or confirm at a terminal
      [1]

      $ keystead import --name copy --file words.txt --path "m/44'/501'/0'/0'"
      <uuid>  copy
      Solana  m/44'/501'/0'/0'  <COPY:solana>

      $ test $COPY = $SOLANA_ADDRESS

      $ keystead import --name other < words.txt
      <uuid>  other
      Solana         m/44'/501'/0'/0'     <solana>
      Ethereum       m/44'/60'/0'/0/0     <ethereum>
      BitcoinSegwit  m/84'/0'/0'/0        bc1q…
      Sui            m/44'/784'/0'/0'/0'  0x<hash>

      $ chmod 644 words.txt && keystead import --name leaky --file words.txt
      ! error: words.txt can be read by others
      ! hint: chmod 600 words.txt, and think of the secret as known
      [1]

      $ echo not a mnemonic at all | keystead import --name bad
      ! error: the secret is no mnemonic of English words with its checksum
      ! hint: a private key needs --curve
      [1]
    `);
    assert.equal(statSync(join(shell.folder, 'words.txt')).mode & 0o777, 0o644);
  });

  test('makes a wallet of a single key and signs with it', () =>
    shell.play(`
      $ keystead wallet create --name single --curve Secp256k1 --address-format Ethereum
      <SINGLE:uuid>  single
      Ethereum  single key  <ethereum>

      $ keystead wallet accounts --wallet $SINGLE --path none
      Ethereum  single key  <ethereum>

      $ keystead sign message hi --wallet $SINGLE --chain ethereum --path none
      <key>
    `));

  test('stops a wallet and a user at once, and starts them again', () =>
    shell.play(`
      $ keystead user add carol --policy ALLOW_ALL --key-file carol.json
      carol  ALLOW_ALL
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead wallet freeze --wallet $WALLET
      wallet <uuid> is frozen

      $ keystead sign message hi --wallet $WALLET
      ! error: Wallet frozen (wallet-frozen) [params.walletId]
      ! hint: …
      [1]

      $ keystead wallet unfreeze --wallet $WALLET
      wallet <uuid> works again

      $ keystead user freeze carol --credentials carol.json
      carol is frozen

      $ keystead user unfreeze carol --credentials carol.json
      ! error: User frozen (user-frozen)
      ! hint: …
      [1]

      $ keystead user unfreeze carol
      carol works again

      $ keystead sign message hi --wallet $WALLET --credentials carol.json
      <key>
    `));

  test('lets somebody else agree before a bounded key signs', async () => {
    await shell.play(`
      $ keystead user add agent --policy ALLOW_ALL --key-file agent.json --approvals 1
      agent  ALLOW_ALL
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead sign message pay --wallet $WALLET --credentials agent.json
      ! error: 1 approval is needed, and 0 given; the request waits as <SUBJECT:key> (approval-required)
      ! hint: …
      [1]

      $ keystead approval list
      <key>  signUtf8Message  by agent (<uuid>)  <text>  needs 1

      $ keystead approval approve $SUBJECT
      <key>  signUtf8Message  by agent (<uuid>)  <text>  needs 1
      root  approve  until <text>

      $ keystead approval complete $SUBJECT --credentials agent.json --json
      {"address":"<solana>","publicKey":"<solana>","signature":"<key>"}

      $ keystead approval complete $SUBJECT --credentials agent.json
      ! error: No such subject (approval-not-found) [params.subject]
      ! hint: …
      [1]
    `);
  });

  test('names guardians, who begin a recovery together and see it cancelled', async () => {
    await shell.play(`
      $ keystead user add anna --policy GUARDIAN --key-file anna.json
      anna  POLICY
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead user add ben --policy GUARDIAN --key-file ben.json
      ben  POLICY
      <uuid>  keystead  keypair Ed25519  <key>

      $ keystead org guardians set --guardian anna --guardian ben --threshold 2
      2 of anna, ben, after 72 hours

      $ keystead recover start heir --key-file heir.json --credentials anna.json
      ! error: 1 approval is needed, and 0 given; the request waits as <RECOVERY:key> (approval-required)
      ! hint: …
      [1]

      $ keystead approval approve $RECOVERY --credentials ben.json
      <key>  startRecovery  by anna (<uuid>)  <text>  needs 1
      ben  approve  until <text>

      $ keystead approval complete $RECOVERY --credentials anna.json --json
      {…"recoveries":1…}

      $ keystead org guardians
      2 of anna, ben, after 72 hours
      recovery 1: heir becomes root from <text> on
      agreed: anna, ben; cancel with \`keystead recover cancel\`

      $ keystead recover complete --credentials ben.json
      ! error: it may be completed from <text> on (recovery-too-early)
      ! hint: …
      [1]

      $ keystead recover cancel
      recovery 1 was cancelled
    `);
  });

  test('refuses wrong usage with exit code 2 and repeats no surplus words', () =>
    shell.play(`
      $ keystead wallet create
      ! error: --name is missing
      ! hint: keystead wallet create --help
      [2]

      $ keystead import legal winner thank year
      ! error: takes 0 arguments, got 4
      ! hint: keystead import --help
      [2]

      $ keystead wallet steal
      ! error: keystead wallet has no such verb
      ! hint: keystead wallet --help lists them
      [2]

      $ keystead sign message hi --credentials nowhere.json
      ! error: nowhere.json does not exist. (parameter-invalid)
      ! hint: …
      [1]
    `));

  test('plans a policy against the one that stands, and applies it', async () => {
    const run = async (command: string) => {
      const { stdout, stderr, code } = await shell.run(command);
      assert.equal(code, 0, stderr);
      return stdout.trimEnd();
    };
    await run('keystead user add dora --policy ALLOW_ALL --key-file dora.json');
    await run(`echo 'policy 1; allow "m" on sign-message when true;' > messages.txt`);
    const planned = await run('keystead policy plan messages.txt --user dora');
    assert.match(planned, /^the policy of dora would be replaced\nnew: nothing, proven\ngone: for example\n/);
    assert.match(planned, /which the other denies: other: deny: nothing allows /);
    assert.match(await run('keystead policy apply messages.txt --user dora'), /dora has the policy/);
    const again = await run('keystead policy plan messages.txt --user dora');
    assert.equal(again, 'the policy of dora is already this one');
    const bound = await run('keystead policy plan messages.txt --name house --json');
    assert.equal((JSON.parse(bound) as { change: string }).change, 'new');
  });

  test('lists the policies of the organization, and ends one', async () => {
    await shell.play(`
      $ keystead policy list
      no policy of the organization

      $ echo 'policy 1; allow "t" on sign-transaction when true;' > house.txt && keystead policy apply house.txt --name house
      house binds every user

      $ keystead policy apply house.txt --name draft --wallet $WALLET --shadow
      draft is tried and not enforced: keystead policy shadow draft

      $ keystead policy list
      draft  <uuid>  tried, not enforced
      house  every wallet

      $ keystead sign message hi --wallet $WALLET
      ! error: house: deny: nothing allows signUtf8Message (policy-denied)
      ! hint: …
      [1]

      $ keystead policy remove draft
      ! error: there is no policy draft of every wallet
      ! hint: keystead policy list shows them
      [1]

      $ keystead policy remove draft --wallet $WALLET
      draft binds nobody any more

      $ keystead policy remove house
      house binds nobody any more

      $ keystead sign message hi --wallet $WALLET
      <key>

      $ keystead policy list
      no policy of the organization
    `);
  });

  test('shows those who approve a transaction what it does, and not its bytes alone', async () => {
    const to = bs58.encode(new Uint8Array(32).fill(7));
    const from = shell.variables.SOLANA_ADDRESS!;
    const unsigned = await solanaTransfer(
      { call: async () => ({ value: { blockhash: to } }) },
      { from, to, lamports: 5_000_000n },
    );
    shell.variables.PAYMENT = Buffer.from(unsigned).toString('base64');
    await shell.play(`
      $ keystead user add payer --policy ALLOW_ALL --key-file payer.json --approvals 1
      payer  ALLOW_ALL
      <uuid>  keystead  keypair Ed25519  <key>

      $ echo $PAYMENT > payment && keystead sign transaction payment --chain solana --wallet $WALLET --credentials payer.json
      ! error: 1 approval is needed, and 0 given; the request waits as <PAYING:key> (approval-required)
      ! hint: …
      [1]

      $ keystead user add watcher --policy GUARDIAN --key-file watcher.json
      watcher  POLICY
      <uuid>  keystead  keypair Ed25519  <key>
    `);
    const shown = async (more = '') =>
      JSON.parse((await shell.run(`keystead approval show $PAYING --json${more}`)).stdout) as {
        effects: { outflows?: unknown[]; unread?: string };
      };
    assert.deepEqual((await shown()).effects.outflows, [
      { amount: '5000000', asset: 'solana/slip44:501', from, kind: 'transfer', to },
    ]);
    // Who may not try it is told so.
    const { effects } = await shown(' --credentials watcher.json');
    assert.match(effects.unread!, /simulateTransaction.*policy-denied/);
  });

  test('prints one JSON object and nothing else with --json', async () => {
    for (const command of ['org show', 'wallet list', 'user list', 'authenticator list', 'ledger verify']) {
      const { stdout, stderr, code } = await shell.run(`keystead ${command} --json`);
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trimEnd().split('\n').length, 1, command);
      assert.equal(typeof JSON.parse(stdout), 'object');
    }
  });

  test('doctor says what holds and what does not', async () => {
    const { stdout, code } = await shell.run('keystead doctor');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /ok {3}server: .*\/readyz answers 200/);
    assert.match(stdout, /ok {3}deployment: .* as pinned in the credentials/);
    assert.match(stdout, /rollback: file/);
    assert.match(stdout, /^signing: Ed25519 by openssl and libsodium, secp256k1 by libsecp256k1$/m);
    const { isolation } = JSON.parse((await shell.run('keystead doctor --json')).stdout);
    const sentence = 'Below isolation level process+uid nothing holds against code running in the gateway.';
    assert.equal(stdout.includes(sentence), isolation !== 'process+uid');
  });

  test('doctor names a server that is another deployment than the pinned one', async () => {
    const { stdout, stderr, code } = await shell.run(
      `sed 's/"deploymentId": "[^"]*"/"deploymentId": "${'A'.repeat(43)}"/' acme.json > other.json && chmod 600 other.json && keystead doctor --credentials other.json`,
    );
    assert.equal(code, 1, stdout);
    assert.match(stderr, /error: deployment: the server is/);
  });

  test('has help for every command', async () => {
    for (const command of commands) {
      let printed = '';
      const words = [...command.words, '--help'];
      assert.equal(await runCommandLine(words, readSurroundings(), (text) => (printed += text)), 0);
      assert.match(printed, new RegExp(`^usage: keystead ${command.words.join(' ')}`));
    }
    const { stdout } = await shell.run('keystead --help');
    for (const { words } of commands) assert.ok(stdout.includes(`  ${words.join(' ')}  `), words.join(' '));
  });
});
