require ["fileinto"];
fileinto "Grüße";
