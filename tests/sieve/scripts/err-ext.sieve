require "nope";
