/** A policy that describes calls of both kinds and names owners. */
export const describedText = `policy 1;

owners ["3Cy3YNTFywCmxoxt8n7UH6hg6dLo5uACowX3CFceaSnx"];

call "router.swap" ethereum "eip155:1" "0x52908400098527886E0F7030069857D2E4169EE7"
  "swap(address to,uint256 amount,(address token,uint24 fee)[] path)";

call "router.swap.v2" ethereum "eip155:10" "0x52908400098527886E0F7030069857D2E4169EE7"
  "swap(address to,uint256 amount)";

call "pool.deposit" solana "Stake11111111111111111111111111111111111111" "f223c68952e1f2b6"
  (amount: u64, path: vec(option(publicKey)), tag: array(u8, 4)) accounts [user, pool] more;

call "pool.close" solana "Stake11111111111111111111111111111111111111" "00"
  () accounts [];

allow "swaps" on sign-transaction when
  effects.calls.all(item, item.name == "router.swap" && int(item.arguments["amount"]) <= 100)
  accepting unresolved("described-call", subject: "router.swap");
`;
