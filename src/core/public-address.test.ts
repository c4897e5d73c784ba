import { expect, it } from "vitest";
import { isPublicAddress } from "./public-address.ts";

it.each(["1.1.1.1", "::ffff:1.1.1.1", "2606:4700:4700::1111", "[2a00:1450::1]", "2001:4860:4860::8888", "3ffe::1", "2400:cb00::1"])("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

it.each([
  "::7f00:1", "::127.0.0.1", "::8.8.8.8", "::", "::1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "100:0:0:1::1", "100::1", "4000::1", "1::1", "5f00::1", "3fff::1", "3fff:fff::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1",
  "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001::1", "2001:2::1", "2001:20::1", "2001:db8::1", "127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "192.0.0.8", "198.18.0.1", "240.0.0.1", "0.0.0.0", "localhost", "",
])("%s is not", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});
